# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Scatter where the joints of a robot stand when an episode starts, on top of what its task does.

Some tasks start every episode alike, and a policy that does not sample then lives through one and the same episode
however often it is run. Draws are keyed by (seed, simulation, episode): every policy and every condition that is
measured under a seed meets the same starts, in lock-step and on the live graph.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from mat_ros.core.errors import Refused


@dataclass(frozen=True)
class Scatter:
    """How far from its usual start a robot may stand: uniform to both sides, and never beyond a joint's range."""

    joint_position: float = 0.0  # rad, of each driven hinge

    def __post_init__(self) -> None:
        """Refuse what is no distance."""
        if not 0.0 <= self.joint_position < math.inf:
            raise Refused("start, joint_position", "rad, at least 0", self.joint_position, "correct the grid")

    @classmethod
    def read(cls, given: object) -> Scatter:
        """Read the `start` of a grid."""
        known = [field.name for field in fields(cls)]
        if not isinstance(given, Mapping) or set(given) - set(known):
            raise Refused("start", f"a mapping of {known}", given, "write it as {joint_position: 0.05}")
        try:
            return cls(**{name: float(value) for name, value in given.items()})
        except (TypeError, ValueError) as error:
            raise Refused("start", "a number each", given, "correct the grid") from error
