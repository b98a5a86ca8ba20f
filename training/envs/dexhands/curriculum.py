# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Begin episodes at the end of a demonstration, and earlier and earlier as they succeed.

Beginnings drawn evenly from the whole way teach little: from most of them success is as far off as from the start. Here
the next lesson always begins where the last one is mastered, so that what pulling is worth travels back step by step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mat_ros.worlds.dexhands import DexHands

FIRST = 0.05  # share of the demonstration, from its end, along which the first episodes begin
STEP = 0.05  # by which that share grows
MASTERED = 0.6  # share of a lesson's episodes that succeed before the next
LESSON = 100  # episodes


class Curriculum:
    """One task's demonstration (moment, nq), and how far back along it episodes begin."""

    def __init__(self, world: DexHands, moments: NDArray[np.float64], share: float) -> None:
        self._world = world
        self._tried = self._succeeded = 0
        world.begin_at(moments, share, FIRST)

    def learn(self, ended: NDArray[np.intp], success: NDArray[np.bool_]) -> None:
        """Take in the episodes that have ended, of those that began along the demonstration."""
        along = self._world.along[ended]
        self._tried += int(along.sum())
        self._succeeded += int(success[along].sum())
        if self._tried < LESSON:
            return
        if self._succeeded >= MASTERED * self._tried:
            self._world.reach = min(1.0, self._world.reach + STEP)
        self._tried = self._succeeded = 0

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Give what coming episodes depend on."""
        return {"curriculum": np.array([self._world.reach, self._tried, self._succeeded]),
                "along": self._world.along.copy()}

    def restore(self, kept: dict[str, NDArray[Any]]) -> None:
        """Continue from a snapshot."""
        self._world.reach, tried, succeeded = kept["curriculum"].tolist()
        self._tried, self._succeeded = int(tried), int(succeeded)
        self._world.along[:] = kept["along"]


class FromTheStart:
    """The curriculum of a training that has none: every episode begins where its task starts."""

    def learn(self, ended: NDArray[np.intp], success: NDArray[np.bool_]) -> None:
        """Change nothing, however the episodes have ended."""

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return nothing: coming episodes depend on no others."""
        return {}

    def restore(self, kept: dict[str, NDArray[Any]]) -> None:
        """Continue from a snapshot that holds no curriculum."""
