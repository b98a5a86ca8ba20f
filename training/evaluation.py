# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Gather the first episode of every copy, and summarise the episodes.

No task of ours ends when it is done: an episode goes on to its horizon, or until it fails. So every episode shows
whether the task stays done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.statistics import estimate, share_interval
from training.envs.protocol import GOALS, RESULTS

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Evaluation:
    """Hold the results of one cell's episodes. A goal that the task does not have has no values."""

    returns: Float  # (episode,)
    lengths: Float
    reached: Float = field(default_factory=lambda: np.zeros(0))  # 1 where the task was done at least once
    success: Float = field(default_factory=lambda: np.zeros(0))  # 1 where it was done at the end, for half a second

    def summary(self) -> dict[str, float]:
        """Return the mean return with its interval, the spread of returns, and the shares with their intervals.

        The intervals are of 95 %: by bootstrap for the mean, Wilson's for the shares.
        """
        mean = estimate([self.returns], np.mean)
        found = {"mean": float(mean.middle), "low": float(mean.low), "high": float(mean.high),
                 "std": float(self.returns.std()), "median": float(np.median(self.returns)),
                 "length": float(self.lengths.mean())}
        for name in GOALS:
            goal = getattr(self, name)
            found[name] = float(goal.mean()) if len(goal) else float("nan")
            found[f"{name}_low"], found[f"{name}_high"] = share_interval(int(goal.sum()), len(goal))
        return found


class FirstEpisodes:
    """Gather the results of the first episode of every copy."""

    def __init__(self, count: int) -> None:
        self.waiting = np.ones(count, dtype=bool)  # for the end of the copy's first episode
        self._found = {name: np.full(count, np.nan) for name in RESULTS}

    def take(self, info: Mapping[str, Any]) -> None:
        """Take the info of a step."""
        first = self.waiting[info["ended"]]
        rows = info["ended"][first]
        for name, found in self._found.items():
            if name in info and len(rows):
                found[rows] = np.asarray(info[name])[first]
        self.waiting[rows] = False

    def evaluation(self) -> Evaluation:
        """Return the results of the episodes that have ended."""
        goals = (self._found[name] for name in GOALS)
        return Evaluation(self._found["episode_return"], self._found["episode_length"],
                          *(goal[np.isfinite(goal)] for goal in goals))
