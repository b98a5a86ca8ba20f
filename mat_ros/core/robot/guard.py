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

LARGEST = 1e9  # greatest number that is no infinity
WATCHES = ("real", "all", "none")  # robots whose motion is watched


@dataclass(frozen=True)
class MotionSettings:
    """Set which measured motion stops a robot (`mat_ros.core.tick.motion`). A share of 0 turns its check off.

    A position error, a drift and a stall are shares of the joint's range, upper - lower.
    """

    watch: str = "real"  # robots that are watched: `real`, `all` (simulated ones too), `none`
    speed: float = 1.5  # share of its rate above which a joint is too fast
    speed_s: float = 0.1  # time for which a joint may be faster
    error: float = 0.1  # distance from its command above which a joint is astray
    error_s: float = 1.0  # time for which a joint may be further away
    drift: float = 0.1  # distance by which a joint may move away from a constant command
    drift_s: float = 0.25  # time for which a joint may have moved further away
    stall: float = 0.1  # distance from the command above which a joint has to move
    stall_s: float = 0.5  # time for which a joint may stand still there
    still: float = 0.02  # distance within which a command counts as constant, and within which a joint stands still

    def __post_init__(self) -> None:
        """Refuse shares and times that cannot be."""
        if self.watch not in WATCHES:
            raise Refused("guard, motion, watch", f"one of {WATCHES}", self.watch, "correct the robot file")
        for name in [field.name for field in dataclasses.fields(self)][1:]:
            if not 0 <= getattr(self, name) < math.inf:
                raise Refused(f"guard, motion, {name}", "a number of at least 0", getattr(self, name),
                              "correct the robot file")

    @classmethod
    def from_dict(cls, data: object) -> MotionSettings:
        """Read the `motion` of a guard; every field may be left out."""
        return cls(**_fields(cls, "guard, motion", data))


@dataclass(frozen=True)
class GuardSettings:
    """Set how long the gate bridges missed ticks, and how it takes over a robot."""

    hold_ticks: int = 3  # missed ticks for which a joint keeps its last command, before it ramps to its fallback
    stop_ticks: int = 50  # missed ticks after which the gate latches a stop; 0: never
    stop_all: bool = True  # a latched stop of one joint stops every joint
    silence_ticks: int = 2  # periods without a command of the gate after which the driver stops the robot
    blend_s: float = 0.5  # time of the ramp from the present positions to the requests after activation
    agree_samples: int = 3  # measurements in a row that must agree on the position of every joint
    outside: float = 0.05  # share of its range by which a joint may be outside its limits at activation
    motion: MotionSettings = MotionSettings()  # which measured motion stops the robot

    def __post_init__(self) -> None:
        """Refuse times and counts below their least values."""
        least_of = {"hold_ticks": 0, "stop_ticks": 0, "silence_ticks": 2, "blend_s": 0, "agree_samples": 2,
                    "outside": 0}
        for field, least in least_of.items():
            if not least <= getattr(self, field) < math.inf:
                raise Refused(f"guard, {field}", f"a number of at least {least}", getattr(self, field),
                              "correct the robot file")

    @classmethod
    def from_dict(cls, data: object) -> GuardSettings:
        """Return the settings of the section `guard` of a robot file, which may leave out any field."""
        return cls(**_fields(cls, "guard", data))


# Type of a field -> the types of YAML that are read as it, and their name.
KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "bool": ((bool,), "true or false"), "int": ((int,), "a whole number"), "float": ((int, float), "a number"),
    "str": ((str,), "a word")}


def _fields(settings: type[GuardSettings | MotionSettings], what: str, data: object) -> dict[str, Any]:
    """Return the fields of settings; refuse an unknown field, and a value of another type than its field declares."""
    known = {field.name: str(field.type) for field in dataclasses.fields(settings)}
    if not isinstance(data, Mapping) or set(data) - set(known):
        raise Refused(what, f"a mapping with some of {sorted(known)}", data, "correct the robot file")
    return {name: _read(f"{what}, {name}", known[name], value) for name, value in data.items()}


def _read(what: str, kind: str, value: Any) -> Any:
    """Return a value; refuse one of another type than its field declares."""
    if kind == MotionSettings.__name__:
        return MotionSettings.from_dict(value)
    types, named = KINDS[kind]
    if not isinstance(value, types) or (kind != "bool" and isinstance(value, bool)):
        raise Refused(what, named, value, "correct the robot file")
    if isinstance(value, int | float) and not abs(value) <= LARGEST and value != math.inf:
        raise Refused(what, f"a number of at most {LARGEST:g}", value, "correct the robot file")
    return value
