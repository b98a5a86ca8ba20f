# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Record episodes that run side by side, one row for each episode."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.faults.detect import Health
from mat_ros.core.tick.messages import Float32

Float = NDArray[np.float64]


@dataclass
class Episodes:
    """Record the events of each row; arrays are (row,) unless their comment gives another shape."""

    returns: Float
    lengths: NDArray[np.int64]  # ticks
    rewards: Float  # (tick, row), NaN after the end
    detected: NDArray[np.int64]  # tick at which a broken joint was first found in error; -1: never
    alarmed: NDArray[np.bool_]  # (row, joint): healthy joints that were found in error
    missing: NDArray[np.int64]  # joints x ticks without a decision in time
    outside_before: NDArray[np.int64]  # joints x ticks in which the policy's command was outside the joint's limits
    outside_after: NDArray[np.int64]  # joints x ticks in which the gate's command was outside the joint's limits
    clamped: NDArray[np.int64]  # joints x ticks in which the gate changed the request
    latency_ns: NDArray[np.int64]  # (tick, row) of the last decision in simulated time; 0 where decided centrally
    computing_ns: NDArray[np.int64]  # (tick, row): time of encoding, deciding and guarding on this machine
    signals: Float32 = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))  # (tick + 1, row, signal)
    commands: Float = field(default_factory=lambda: np.zeros((0, 0, 0)))  # (tick, row, joint)

    @classmethod
    def empty(cls, rows: int, horizon: int, joints: int) -> Episodes:
        """Return the record of episodes that have not begun."""
        def counts() -> NDArray[np.int64]:
            return np.zeros(rows, np.int64)

        return cls(np.zeros(rows), counts(), np.full((horizon, rows), np.nan), np.full(rows, -1),
                   np.zeros((rows, joints), dtype=bool), counts(), counts(), counts(), counts(),
                   *np.zeros((2, horizon, rows), np.int64))

    def alarm(self, health: NDArray[np.int64], broken: NDArray[np.bool_], alive: NDArray[np.bool_], tick: int) -> None:
        """Record the first alarm of broken joints, and false alarms of healthy ones; health, broken (row, joint)."""
        found = (health >= Health.ERROR) & alive[:, None]
        first = (self.detected < 0) & (found & broken).any(axis=1)
        self.detected[first] = tick
        self.alarmed |= found & ~broken
