# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Time is integer nanoseconds and moves as its kind says."""

import pytest

from mat_ros.core.clock import FakeClock, RealClock, SimulatedClock


def test_simulated_time_advances_by_one_period_per_tick_and_not_by_itself():
    clock = SimulatedClock(period_ns=20, start_ns=100)
    assert (clock.now_ns(), clock.now_ns()) == (100, 100)
    assert (clock.tick(), clock.now_ns()) == (120, 120)


def test_a_fake_clock_moves_forwards_only():
    clock = FakeClock()
    clock.advance(5)
    assert clock.now_ns() == 5
    with pytest.raises(ValueError, match="at least 0"):
        clock.advance(-1)


def test_real_time_never_runs_backwards():
    clock = RealClock()
    times = [clock.now_ns() for _ in range(1000)]
    assert times == sorted(times)
    assert isinstance(times[0], int)
