# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Give each episode its faults, and say what a chain that knows about them would be told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.faults.schedule import Plan, Schedule, followed_share


class EpisodeFaults:
    """The schedules of many copies: a new one for each episode, a pure function of plan, copy and episode."""

    def __init__(self, plan: Plan, joints: Sequence[str], count: int) -> None:
        self.plan, self._count = plan, count
        self._place = {joint: k for k, joint in enumerate(joints)}
        self._episode = np.zeros(count, dtype=np.int64)  # of each copy
        self.schedules = [Schedule(0)] * count

    def restart(self) -> list[Schedule]:
        """Begin with the first episode of every copy."""
        self._episode[:] = 0
        return self._renew(np.arange(self._count))

    def next(self, rows: NDArray[np.intp]) -> list[Schedule]:
        """Begin the next episode of some copies; give their schedules."""
        self._episode[rows] += 1
        return self._renew(rows)

    def _renew(self, rows: NDArray[np.intp]) -> list[Schedule]:
        for row in rows.tolist():
            self.schedules[row] = self.plan.schedule(int(self._episode[row]) * self._count + row)
        return [self.schedules[row] for row in rows.tolist()]

    def joints(self, ticks: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Say which joints are broken (env, joint), 0 or 1, and which share of a command each really follows."""
        broken, share = np.zeros((self._count, len(self._place))), np.ones((self._count, len(self._place)))
        for row, schedule in enumerate(self.schedules):
            for fault in schedule.active(int(ticks[row])):
                if fault.level == "actuator":
                    joint = self._place[fault.target]
                    broken[row, joint], share[row, joint] = 1.0, followed_share(fault)
        return broken, share

    def snapshot(self) -> NDArray[np.int64]:
        """Give all that the schedules depend on."""
        return self._episode.copy()

    def restore(self, episode: NDArray[np.int64]) -> None:
        """Have the schedules of a snapshot again."""
        self._episode[:] = episode
        self._renew(np.arange(self._count))
