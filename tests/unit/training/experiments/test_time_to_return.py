# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The race to a return measures a training that a list replaces."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("mujoco", reason="needs the sim extra")

from training.experiments.time_to_return import race


def run(returns: list[float], goals: tuple[float, ...], limit: int = 10**6):
    time, left = iter(range(0, 1000, 10)), iter(returns)
    return race(lambda: next(left), 4000, goals, limit, lambda: next(time))


def test_each_goal_is_reached_once_and_in_order():
    found = run([math.nan, 100.0, 2500.0, 1000.0, 4000.0], (2000.0, 3500.0))
    assert found["reached"] == {"2000": {"steps": 12000, "seconds": 10}, "3500": {"steps": 20000, "seconds": 20}}
    assert (found["steps"], found["return"]) == (20000, 4000.0)


def test_one_iteration_may_reach_several_goals():
    assert list(run([9000.0], (2000.0, 3500.0))["reached"]) == ["2000", "3500"]


def test_a_side_that_does_not_arrive_gives_up_at_the_limit():
    found = run([math.nan, 100.0, 200.0], (2000.0,), limit=12000)
    assert found["reached"] == {} and found["steps"] == 12000 and found["return"] == 200.0
