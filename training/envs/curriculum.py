# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Begin episodes near the end of a demonstration, and move the beginnings earlier as episodes succeed.

Beginnings drawn evenly from the whole demonstration teach little: from most of them, success is as far away as from the
start. Here each lesson begins a little before the lesson that was mastered. The value of pulling therefore spreads
backwards step by step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.worlds.task import Task

FIRST = 0.05  # share of the demonstration, counted from its end, in which the first episodes begin
STEP = 0.05  # growth of that share after a mastered lesson
MASTERED = 0.6  # share of a lesson's episodes that must succeed before the next lesson
LESSON = 100  # episodes per lesson, at least


class Curriculum:
    """Set how far before the end of a demonstration (moment, nq) the episodes of one task begin."""

    def __init__(self, world: Any, moments: NDArray[np.float64], share: float) -> None:
        self._world = world
        self._tried = self._succeeded = 0
        world.begin_at(moments, share, FIRST)

    def learn(self, ended: NDArray[np.intp], reached: NDArray[np.bool_]) -> None:
        """Count the ended episodes that began along the demonstration.

        A mastered lesson is followed by the next one, which begins earlier. An episode counts that was done once.
        """
        along = self._world.along[ended]
        self._tried += int(along.sum())
        self._succeeded += int(reached[along].sum())
        if self._tried < LESSON:
            return
        if self._succeeded >= MASTERED * self._tried:
            self._world.reach = min(1.0, self._world.reach + STEP)
        self._tried = self._succeeded = 0

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the numbers that the next episodes depend on."""
        return {"curriculum": np.array([self._world.reach, self._tried, self._succeeded]),
                "along": self._world.along.copy()}

    def restore(self, kept: dict[str, NDArray[Any]]) -> None:
        """Continue from a snapshot."""
        self._world.reach, tried, succeeded = kept["curriculum"].tolist()
        self._tried, self._succeeded = int(tried), int(succeeded)
        self._world.along[:] = kept["along"]


class FromTheStart:
    """Begin every episode at the start of its task: the curriculum of a training without one."""

    def learn(self, ended: NDArray[np.intp], reached: NDArray[np.bool_]) -> None:
        """Change nothing: the outcome of an episode moves no beginning."""

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return nothing: no episode depends on an earlier one."""
        return {}

    def restore(self, kept: dict[str, NDArray[Any]]) -> None:
        """Continue from a snapshot that holds no curriculum."""


def demonstrate(task: Task) -> NDArray[np.float64]:
    """Return the positions (moment, nq) of a task's script, up to the tick before the task is done."""
    world: Any = task.open(1)
    guide: Any = task.script() if hasattr(world, "begin_at") else None
    if not hasattr(guide, "__len__"):
        raise Refused(f"curriculum of {task.full_name}", "a task whose script has a length and whose world can begin "
                      "at its moments, as door_open_inward_hand", "none", "leave curriculum at 0")
    world.reset(seed=0)
    moments: list[NDArray[np.float64]] = []
    for _ in range(len(guide)):
        world.step(guide.command(world))
        if task.judge(world, np.zeros((1, 1, 1))).done[0]:
            break
        moments.append(world.positions[0])
    return np.array(moments)
