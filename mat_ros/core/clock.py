# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Tell the time in integer nanoseconds: real, simulated, or moved by hand in a test."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Anything that tells the time."""

    def now_ns(self) -> int:
        """Give the time in nanoseconds since an arbitrary start."""
        ...


class RealClock:
    """The machine's monotonic clock, which no time server moves."""

    def now_ns(self) -> int:
        """Give monotonic nanoseconds."""
        return time.monotonic_ns()


class SimulatedClock:
    """The time of a simulated robot: it advances by one period with each tick and never by itself."""

    def __init__(self, period_ns: int, start_ns: int = 0) -> None:
        self.period_ns = period_ns
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Give simulated nanoseconds."""
        return self._now_ns

    def tick(self) -> int:
        """Advance by one period and give the new time."""
        self._now_ns += self.period_ns
        return self._now_ns


class FakeClock:
    """A clock that a test moves, so that lateness can be enumerated instead of waited for."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """Give the time that the test has set."""
        return self._now_ns

    def advance(self, duration_ns: int) -> None:
        """Move on; time never runs backwards."""
        if duration_ns < 0:
            raise ValueError(f"clock: expected a duration of at least 0 ns, got {duration_ns}; advance forwards")
        self._now_ns += duration_ns
