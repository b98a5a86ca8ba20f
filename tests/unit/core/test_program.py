# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Another program's output comes back, its refusal word for word, and a program that cannot run is missing."""

from __future__ import annotations

import pytest

from mat_ros.core.errors import REFUSED, Missing, Refused
from mat_ros.core.program import run_python

REFUSES = f"import sys; print('a warning', file=sys.stderr); print('x: expected 1, got 2; add', file=sys.stderr); " \
          f"sys.exit({REFUSED})"


def run(program: str) -> str:
    return run_python(["-c", program], "what says so", "install it")


def test_the_output_of_a_program_comes_back():
    assert run("print('done')") == "done\n"


def test_a_refusal_of_the_program_is_raised_word_for_word():
    with pytest.raises(Refused, match="^x: expected 1, got 2; add$"):
        run(REFUSES)


@pytest.mark.parametrize(("program", "reason"), [
    ("import none_such", r"ModuleNotFoundError: No module named 'none_such'"),
    ("import sys; sys.exit('no torch')", "no torch"),
    ("import os; os._exit(7)", "it ended with status 7"),
])
def test_a_program_that_cannot_run_is_missing_and_its_last_line_says_why(program: str, reason: str):
    with pytest.raises(Missing, match=rf"^what says so \({reason}\) is missing; install it$"):
        run(program)
