# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Follow whether the task of an episode was done once, and whether it stays done.

A door that swings open and shut again was reached, and is no success. The runtime and the training report both words by
this one definition.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bool = NDArray[np.bool_]
HELD_NS = 500_000_000  # time for which a task must stay done


class Completion:
    """Follow many episodes, one in each row."""

    def __init__(self, count: int, period_ns: int) -> None:
        self._enough = -(-HELD_NS // period_ns)  # ticks, rounded up
        self._reached = np.zeros(count, dtype=bool)
        self._held = np.zeros(count, dtype=np.int64)  # ticks in a row, up to the present one

    def begin(self, rows: NDArray[np.intp]) -> None:
        """Begin the next episode of some rows."""
        self._reached[rows], self._held[rows] = False, 0

    def note(self, done: Bool) -> None:
        """Take whether the task of each row is done in the present tick."""
        self._reached |= done
        self._held = np.where(done, self._held + 1, 0)

    @property
    def reached(self) -> Bool:
        """Return in which rows the task has been done at least once in the episode."""
        return self._reached.copy()

    @property
    def success(self) -> Bool:
        """Return in which rows the task is done and has been for half a second: success at the end of an episode."""
        return self._held >= self._enough

    def snapshot(self) -> dict[str, NDArray[np.int64] | Bool]:
        """Return what the next ticks depend on."""
        return {"succeeded": self._reached.copy(), "held_ticks": self._held.copy()}

    def restore(self, kept: dict[str, NDArray[np.int64] | Bool]) -> None:
        """Continue from a snapshot. Some older snapshots lack one or both arrays: there the counting begins anew."""
        self._reached[:] = kept.get("succeeded", False)
        self._held[:] = kept.get("held_ticks", 0)
