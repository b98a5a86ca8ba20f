# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Call a function once at a given time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node

NEVER_S = 3600.0


class Alarm:
    """Call a function once for each setting. One timer serves every setting, because making a timer is slow."""

    def __init__(self, node: Node, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._due_ns: int | None = None  # due time on the monotonic clock; None: no ring is due
        self._timer: Any = node.create_timer(NEVER_S, self._rung)
        self._timer.cancel()

    def set(self, at_ns: int | None, now_ns: int) -> None:
        """Set the time of the ring, or None for no ring; this setting replaces an earlier one."""
        if at_ns is None:
            self.clear()
            return
        self._due_ns = time.monotonic_ns() + max(at_ns - now_ns, 1)
        self._start(at_ns - now_ns)

    def clear(self) -> None:
        """Cancel the ring."""
        self._due_ns = None
        if not self._timer.is_canceled():
            self._timer.cancel()

    def _start(self, wait_ns: int) -> None:
        self._timer.timer_period_ns = max(wait_ns, 1)
        self._timer.reset()

    def _rung(self) -> None:
        # A setting may be replaced while the executor has a call of the timer in its queue.
        early_ns = 0 if self._due_ns is None else self._due_ns - time.monotonic_ns()
        if early_ns > 0:
            self._start(early_ns)
            return
        self._timer.cancel()
        if self._due_ns is not None:
            self._due_ns = None
            self._ring()
