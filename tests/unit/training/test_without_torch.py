# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Without torch, the training commands end with one sentence that states what to do."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "torch" else find(name, *more)
sys.argv[0] = {argv!r}  # "-m" while `python -m` looks for its module
import training
"""


def run(argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PROGRAM.format(argv=argv)], capture_output=True, text=True)


def test_a_training_command_without_torch_says_what_to_do_and_an_import_does_not_end_the_program():
    refused = run("-m")
    assert refused.returncode == 1
    assert refused.stderr == "the Python package 'torch' is missing; run `make setup`, then `. .venv/bin/activate`\n"
    assert run("program.py").returncode == 0
