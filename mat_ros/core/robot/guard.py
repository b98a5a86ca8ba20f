# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Set how the safety gate and the driver guard a robot.

These settings belong to the robot and stand in the robot file below `guard:`. A policy cannot change them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mat_ros.core.errors import Refused


@dataclass(frozen=True)
class GuardSettings:
    """Set how long the gate bridges missed ticks, and how it takes over a robot."""

    hold_ticks: int = 3  # missed ticks for which a joint keeps its last command, before it ramps to its fallback
    stop_ticks: int = 50  # missed ticks after which the gate latches a stop; 0: never
    stop_all: bool = True  # a latched stop of one joint stops every joint
    blend_s: float = 0.5  # time of the ramp from the present positions to the requests after activation
    agree_samples: int = 3  # measurements in a row that must agree on the position of every joint
    outside: float = 0.05  # share of its range by which a joint may be outside its limits at activation

    def __post_init__(self) -> None:
        """Refuse times and counts below their least values."""
        least_of = {"hold_ticks": 0, "stop_ticks": 0, "blend_s": 0, "agree_samples": 2, "outside": 0}
        for field, least in least_of.items():
            if not least <= getattr(self, field) < math.inf:
                raise Refused(f"guard, {field}", f"a number of at least {least}", getattr(self, field),
                              "correct the robot file")

    @classmethod
    def from_dict(cls, data: object) -> GuardSettings:
        """Return the settings of the section `guard` of a robot file, which may leave out any field."""
        known = {field.name: field.type for field in dataclasses.fields(cls)}
        if not isinstance(data, Mapping) or set(data) - set(known):
            raise Refused("guard", f"a mapping with some of {sorted(known)}", data, "correct the robot file")
        return cls(**{name: _read(name, str(known[name]), value) for name, value in data.items()})


def _read(name: str, kind: str, value: Any) -> Any:
    """Return a value; refuse one of another type than its field declares."""
    right: tuple[type, ...] = {"bool": (bool,), "int": (int,), "float": (int, float)}[kind]
    if not isinstance(value, right) or (kind != "bool" and isinstance(value, bool)):
        raise Refused(f"guard, {name}", {"bool": "true or false", "int": "a whole number", "float": "a number"}[kind],
                      value, "correct the robot file")
    return value
