# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""An option is declared once, and whatever does not fit it is refused with its range."""

from dataclasses import dataclass

import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.options import option, options, read


@dataclass(frozen=True)
class Settings:
    rate: float = option(60.0, "ticks per second", 1.0, 1000.0)
    seed: int = option(0, "seed", 0)
    mode: str = option("strict", "patience", choices=("strict", "bounded"))
    check: bool = option(True, "recompute")


def test_values_are_read_from_text_as_from_numbers():
    assert read(Settings, {"rate": "50", "seed": 3.0, "check": "false"}) == Settings(50.0, 3, "strict", False)


@pytest.mark.parametrize(("name", "value", "expected"), [
    ("rate", 0.5, r"\[1, 1000\]"), ("rate", float("nan"), r"\[1, 1000\]"), ("rate", "fast", "a number"),
    ("seed", 1.5, "a whole number"), ("seed", -1, r"\[0, inf\]"), ("mode", "hopeful", r"strict \| bounded"),
    ("check", "perhaps", "true or false"), ("seed", float("inf"), "a whole number"),
])
def test_what_does_not_fit_is_refused_with_the_range(name, value, expected):
    with pytest.raises(Refused, match=expected):
        read(Settings, {name: value})


def test_unknown_names_are_refused_and_known_ones_listed():
    with pytest.raises(Refused, match=r"rate.*got \['rat'\]"):
        read(Settings, {"rat": 1})
    assert [o.name for o in options(Settings)] == ["rate", "seed", "mode", "check"]
