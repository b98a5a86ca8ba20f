# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Tell a new tick from one that is late, repeated, or from a time that cannot be.

Ticks are ordered by their start and not by their number, because a source that was started again counts anew. A start
is believed only near the present, so that no message can make a node deaf to those that follow, and so that a node
outlives a clock that was set.
"""

from __future__ import annotations

import enum

# A lock-step tick has at least so long: enough for a slow machine, so that no clock enters any number.
LOCKSTEP_PERIODS, LOCKSTEP_NS = 50, 2_000_000_000


def horizon_ns(period_ns: int, lockstep: bool) -> int:
    """Return how far the start of a tick may lie from the present, and its deadline from its start."""
    return max(LOCKSTEP_PERIODS * period_ns, LOCKSTEP_NS) if lockstep else period_ns


class Turn(enum.Enum):
    """What a tick that arrives is."""

    NEW = "new"
    LATE = "late"  # not newer than the newest one
    EARLY = "early"  # it starts in the future
    OLD = "old"  # it started too long ago, or ends too late: its clock is not ours


class Order:
    """The newest tick that was believed."""

    def __init__(self, horizon_ns: int) -> None:
        self.horizon_ns = horizon_ns  # how far a tick's start may lie from the present, and its deadline from its start
        self.newest_ns: int | None = None  # start of the newest tick

    def judge(self, start_ns: int, deadline_ns: int, now_ns: int) -> Turn:
        """Say what a tick is, without noting it."""
        if start_ns - now_ns > self.horizon_ns:
            return Turn.EARLY
        if now_ns - start_ns > self.horizon_ns or not 0 < deadline_ns - start_ns <= self.horizon_ns:
            return Turn.OLD
        newest = self.newest_ns
        if newest is None or newest - now_ns > self.horizon_ns:  # the clock was set back: the past is not the measure
            return Turn.NEW
        return Turn.NEW if start_ns > newest else Turn.LATE

    def note(self, start_ns: int) -> None:
        """Take a tick for the newest one."""
        self.newest_ns = start_ns
