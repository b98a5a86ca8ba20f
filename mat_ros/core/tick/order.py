# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Tell a new tick from one that is late, repeated, or from a time that cannot be.

Ticks are ordered by their start and not by their number, because a restarted source counts its ticks anew. A start
counts only near the present. Otherwise a single message could make a node drop all messages after it, and a clock that
was set back would do the same.
"""

from __future__ import annotations

import enum

# A lock-step tick has at least so long: enough for a slow machine, so that no clock enters any number.
LOCKSTEP_PERIODS, LOCKSTEP_NS = 50, 2_000_000_000


def horizon_ns(period_ns: int, lockstep: bool) -> int:
    """Return how old a tick may be, and how far its deadline may lie behind its start."""
    return max(LOCKSTEP_PERIODS * period_ns, LOCKSTEP_NS) if lockstep else period_ns


class Turn(enum.Enum):
    """Name what a tick that arrives is."""

    NEW = "new"
    LATE = "late"  # the tick is not newer than the newest one
    EARLY = "early"  # the tick starts in the future
    OLD = "old"  # the tick started too long ago, or its deadline lies too far away: it comes from another clock


class Order:
    """Keep the start of the newest tick, and compare each tick that arrives with it and with the present."""

    def __init__(self, period_ns: int, lockstep: bool) -> None:
        """Take the period of the ticks, and whether the robot waits for its commands."""
        self._ahead_ns = period_ns  # a start further in the future than this is not believed
        self._age_ns = horizon_ns(period_ns, lockstep)
        self.newest_ns: int | None = None  # start of the newest tick

    def judge(self, start_ns: int, deadline_ns: int, now_ns: int) -> Turn:
        """Return what a tick is. `note` makes it the newest one."""
        if start_ns - now_ns > self._ahead_ns:
            return Turn.EARLY
        if now_ns - start_ns > self._age_ns or not 0 < deadline_ns - start_ns <= self._age_ns:
            return Turn.OLD
        newest = self.newest_ns
        if newest is None or newest - now_ns > self._ahead_ns:  # the clock was set back since the newest tick
            return Turn.NEW
        return Turn.NEW if start_ns > newest else Turn.LATE

    def note(self, start_ns: int) -> None:
        """Make a tick the newest one."""
        self.newest_ns = start_ns
