# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Keep the latencies of the last ticks and compute their percentiles."""

from __future__ import annotations

from collections import deque

import numpy as np

WINDOW = 4096  # largest number of ticks that one summary covers
MS = 1e-6  # milliseconds per nanosecond


class Latency:
    """Hold the latencies since the last summary, and the worst latency of the run."""

    def __init__(self) -> None:
        self._recent: deque[int] = deque(maxlen=WINDOW)
        self._worst = 0
        self._summary: dict[str, str] = {}

    def add(self, latency_ns: int) -> None:
        """Add the latency of one tick."""
        self._recent.append(latency_ns)
        self._worst = max(self._worst, latency_ns)

    def summary(self) -> dict[str, str]:
        """Return percentiles in ms by name, of the ticks since the last call; without new ticks, the last ones."""
        if self._recent:
            p50, p99 = np.percentile(np.array(self._recent), (50, 99)) * MS
            self._recent.clear()
            self._summary = {"p50_ms": f"{p50:.3f}", "p99_ms": f"{p99:.3f}", "worst_ms": f"{self._worst * MS:.3f}"}
        return self._summary
