# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Scatter the joint positions at the start of an episode, in addition to the noise of the task.

Some tasks start every episode in the same pose. A policy that does not sample then repeats one and the same episode.
Draws are keyed by (seed, simulation, episode). Every policy and every condition that is measured under a seed therefore
starts from the same poses, in lock-step and on the live graph.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from mat_ros.core.errors import Refused


@dataclass(frozen=True)
class Scatter:
    """Define the largest offset from the usual start pose: uniform to both sides, never beyond a joint's range."""

    joint_position: float = 0.0  # rad, of each driven hinge

    def __post_init__(self) -> None:
        """Refuse an offset that is not a number of at least 0."""
        if not 0.0 <= self.joint_position < math.inf:
            raise Refused("start, joint_position", "at least 0 rad", self.joint_position, "correct the grid")

    @classmethod
    def read(cls, given: object) -> Scatter:
        """Read the `start` of a grid."""
        known = [field.name for field in fields(cls)]
        if not isinstance(given, Mapping) or set(given) - set(known):
            raise Refused("start", f"a mapping of {known}", given, "write it as {joint_position: 0.05}")
        try:
            return cls(**{name: float(value) for name, value in given.items()})
        except (TypeError, ValueError, OverflowError) as error:
            raise Refused("start", "a number for each field", given, "correct the grid") from error
