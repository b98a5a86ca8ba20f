# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Draw the faults of each episode, and compute the share of a command that a broken joint follows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.faults.schedule import Plan, Schedule, followed_share


class EpisodeFaults:
    """Hold the schedules of many copies. Each is a pure function of the plan, the copy and the episode."""

    def __init__(self, plan: Plan, joints: Sequence[str], count: int) -> None:
        self.plan, self._count = plan, count
        self._place = {joint: k for k, joint in enumerate(joints)}
        self._episode = np.zeros(count, dtype=np.int64)  # number of the present episode of each copy
        self.schedules = [Schedule(0)] * count

    def restart(self) -> list[Schedule]:
        """Begin the first episode of every copy and return all schedules."""
        self._episode[:] = 0
        return self._renew(np.arange(self._count))

    def next(self, rows: NDArray[np.intp]) -> list[Schedule]:
        """Begin the next episode of some copies and return their schedules."""
        self._episode[rows] += 1
        return self._renew(rows)

    def _renew(self, rows: NDArray[np.intp]) -> list[Schedule]:
        for row in rows.tolist():
            self.schedules[row] = self.plan.schedule(int(self._episode[row]) * self._count + row)
        return [self.schedules[row] for row in rows.tolist()]

    def joints(self, ticks: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return which joints are broken (env, joint), 0 or 1, and the share of its command that each joint follows."""
        broken, share = np.zeros((self._count, len(self._place))), np.ones((self._count, len(self._place)))
        for row, schedule in enumerate(self.schedules):
            for fault in schedule.active(int(ticks[row])):
                if fault.level == "actuator":
                    joint = self._place[fault.target]
                    broken[row, joint], share[row, joint] = 1.0, followed_share(fault)
        return broken, share

    def snapshot(self) -> NDArray[np.int64]:
        """Return the numbers that the schedules depend on."""
        return self._episode.copy()

    def restore(self, episode: NDArray[np.int64]) -> None:
        """Restore the schedules of a snapshot."""
        self._episode[:] = episode
        self._renew(np.arange(self._count))
