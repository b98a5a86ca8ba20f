# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Keep the results of episodes that run side by side in lock-step: returns, alarms, commands and times of each row."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.faults.detect import Health
from mat_ros.core.tick.messages import Applied, Float32

Float = NDArray[np.float64]


@dataclass
class EpisodeResults:
    """Hold the results of one episode per row, filled tick by tick. The shape is (row,) where no shape is stated."""

    returns: Float
    lengths: NDArray[np.int64]  # ticks
    rewards: Float  # (tick, row), NaN after the end
    detected: NDArray[np.int64]  # tick at which the detector first found a broken joint in error; -1: never
    alarmed: NDArray[np.bool_]  # (row, joint): healthy joints that the detector found in error
    missing: NDArray[np.int64]  # joints x ticks without a decision in time
    outside_before: NDArray[np.int64]  # joints x ticks with a decision outside the joint's limits
    outside_after: NDArray[np.int64]  # joints x ticks with an applied command outside the joint's limits
    clamped: NDArray[np.int64]  # joints x ticks in which the gate changed the request
    latency_ns: NDArray[np.int64]  # (tick, row): simulated time until the last decision; 0 in a central tick
    computing_ns: NDArray[np.int64]  # (tick, row): time of encoding, deciding and guarding on this machine
    signals: Float32 = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))  # (tick + 1, row, signal)
    commands: Float = field(default_factory=lambda: np.zeros((0, 0, 0)))  # (tick, row, joint)

    @classmethod
    def empty(cls, rows: int, horizon: int, joints: int) -> EpisodeResults:
        """Make the results of episodes that have not begun."""
        def counts() -> NDArray[np.int64]:
            return np.zeros(rows, np.int64)

        return cls(np.zeros(rows), counts(), np.full((horizon, rows), np.nan), np.full(rows, -1),
                   np.zeros((rows, joints), dtype=bool), counts(), counts(), counts(), counts(),
                   *np.zeros((2, horizon, rows), np.int64))

    def add_alarms(self, health: NDArray[np.int64], broken: NDArray[np.bool_], alive: NDArray[np.bool_], tick: int
                   ) -> None:
        """Add the joints in error: the first tick of a broken joint, or a false alarm; health, broken (row, joint)."""
        found = (health >= Health.ERROR) & alive[:, None]
        first = (self.detected < 0) & (found & broken).any(axis=1)
        self.detected[first] = tick
        self.alarmed |= found & ~broken

    def add_command(self, row: int, wanted: Float, present: NDArray[np.bool_], applied: Applied, lower: Float,
                    upper: Float) -> None:
        """Count the joints that lacked a decision, left their limits or were changed by the gate; arrays (joint,)."""
        self.missing[row] += int((~present).sum())
        self.outside_before[row] += int(((wanted < lower) | (wanted > upper)).sum())
        self.outside_after[row] += int(((applied.applied < lower) | (applied.applied > upper)).sum())
        self.clamped[row] += int((applied.applied != applied.requested).sum())

    def add_rewards(self, tick: int, rewards: Float, alive: NDArray[np.bool_]) -> None:
        """Add a tick and its rewards (row,) to the episodes that are not over."""
        self.rewards[tick, alive] = rewards[alive]
        self.returns[alive] += rewards[alive]
        self.lengths[alive] += 1
