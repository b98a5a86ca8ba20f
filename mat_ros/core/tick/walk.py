# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Walk a robot to its fallback in real time: one command per period, so that the rate of each joint is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from mat_ros.core.tick.messages import Outcome


def paced(outcomes: Iterable[Outcome], period_ns: int, now_ns: Callable[[], int] = time.monotonic_ns,
          sleep_s: Callable[[float], None] = time.sleep) -> Iterator[Outcome]:
    """Yield each outcome when its period begins; the caller commands it at once."""
    due_ns = now_ns()
    for outcome in outcomes:
        yield outcome
        due_ns += period_ns
        sleep_s(max(0, due_ns - now_ns()) * 1e-9)
