# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Simulate a robot without a physics engine: position servos that turn towards their commands at a largest speed.

Such a world has no masses, no contacts and no picture. A motor that is off and a joint that is stuck stand still. A
weak motor turns at a share of its speed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mat_ros.core.errors import Refused
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.observe import Term
from mat_ros.worlds.world import Float, Ids, World

POSITION = "joint_position"


class KinematicWorld(World):
    """Hold many simulations. `values` has an array (simulation, element) for each term, all kept in snapshots.

    Each robot is a subclass. It starts an episode (`_start`) by writing into `values`. A subclass whose measurements
    follow from others writes those in `_settle`, which is called after each start and each step.
    """

    def __init__(self, robot: RobotDescription, count: int, terms: Sequence[Term], speed: ArrayLike | None = None
                 ) -> None:
        """Make `count` robots; `speed` is the largest change of a joint per tick, by default the robot file's rate."""
        names = tuple(joint.name for joint in robot.joints)
        if not any(term.name == POSITION and term.elements == names for term in terms):
            raise Refused(f"terms of {type(self).__name__}", f"{POSITION} of {names}", [term.name for term in terms],
                          "measure the position of every joint, in the order of the robot file")
        lower, upper, rate = np.array([(joint.lower, joint.upper, joint.rate) for joint in robot.joints]).T
        super().__init__(count, robot.period_ns, names, (lower, upper), terms)
        self.values: dict[str, Float] = {term.name: np.zeros((count, len(term.elements))) for term in self.terms}
        largest = rate * robot.period_ns * 1e-9  # the largest change that the gate lets through
        self._speed = np.asarray(largest if speed is None else speed, dtype=np.float64)
        if np.any(self._speed > largest * 1.001):
            raise Refused(f"speed of {type(self).__name__}", f"at most rate / rate_hz of {robot.name}, {largest}",
                          speed, "correct the speed or the rate in the robot file")
        self.asked: Float = np.zeros((count, len(names)))  # command minus position, before the last tick
        self._strength = np.ones((count, len(names)))

    def _clear(self, rows: Ids) -> None:
        for values in self.values.values():
            values[rows] = 0.0

    def _scatter(self, rows: Ids) -> None:
        """Move the joints of `rows` away from where the task has placed them, inside their limits."""
        offsets = self.scatter.joint_position * (2.0 * self.uniform(rows, len(self.joint_names), "start") - 1.0)
        moved = self.values[POSITION][rows] + offsets
        self.values[POSITION][rows] = np.clip(moved, self.command_lower, self.command_upper)

    def _advance(self, rows: Ids | None, command: Float) -> None:
        moved = self.rows(rows)
        largest, place = self._speed * self._strength[moved], self.values[POSITION]
        self.asked[moved] = command - place[moved]
        place[moved] += np.clip(self.asked[moved], -largest, largest)
        self._settle(moved)

    def _fill(self, rows: Ids | None) -> None:
        filled = self.rows(rows)
        for name, values in self.values.items():
            self._measured[filled, self._slices[name]] = values[filled]

    def motor_faults(self) -> KinematicMotors:
        """Return what weakens and locks the motors of this world."""
        return KinematicMotors(self._strength)

    def state(self) -> dict[str, NDArray[Any]]:
        """Copy everything that the next step and the next reset depend on."""
        return {**super().state(), **{f"value/{name}": values.copy() for name, values in self.values.items()}}

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore a state, so that the next steps have the same bits as those after `state()`."""
        super().set_state(state)
        for name, values in self.values.items():
            values[:] = state[f"value/{name}"]


class KinematicMotors:
    """Write the strength (simulation, joint) of a kinematic world; see `mat_ros.worlds.world.Motors`."""

    def __init__(self, strength: Float) -> None:
        self._strength = strength

    def prepare(self) -> None:
        """Prepare nothing."""

    def note_whole(self, row: int) -> None:
        """Store nothing: the whole strength is 1."""

    def apply(self, row: int, strength: Float, stuck: Sequence[int]) -> None:
        """Set the strengths of a simulation; the strength of a stuck joint is 0."""
        self._strength[row] = strength

    def halt(self, row: int, joint: int) -> None:
        """Do nothing: a joint without strength stands still."""

    def memory(self) -> dict[str, NDArray[Any]]:
        """Return nothing: the strengths follow from the schedules."""
        return {}

    def recall(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore nothing."""
