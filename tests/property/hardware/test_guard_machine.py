# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever happens to gate, keeper and driver, every command that reaches the robot is one that it may be given."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from support.guard_world import LOWER, PERIOD, SAG, UPPER, GuardWorld, walk

STEPS = 10_000  # of each random walk; `python -m support.guard_world` walks longer
MIDDLE = (LOWER + UPPER) / 2


@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_thousand_random_events_break_no_limit(seed: int):
    assert walk(seed, STEPS) == STEPS


EVENTS: dict[str, Callable[[GuardWorld], None]] = {
    "tick": lambda world: world.step(UPPER),
    "silence": lambda world: world.pass_time(4 * PERIOD),
    "late": lambda world: world.step(UPPER, late_ns=2 * PERIOD),
    "early": lambda world: world.step(LOWER, start_ns=3600 * 10**9),
    "clock": lambda world: setattr(world, "offset", world.offset - 3600 * 10**9),
    "hang": lambda world: world.hang_gate(4),
    "stop": lambda world: world.stop(),
    "resume": lambda world: world.resume(),
    "gate": lambda world: world.restart_gate(),
    "driver": lambda world: world.restart_driver(),
}


@pytest.mark.parametrize("first", EVENTS)
def test_every_sequence_of_four_events_after_a_healthy_start_breaks_no_limit(first: str):
    for others in itertools.product(EVENTS, repeat=3):
        world = GuardWorld()
        for _ in range(4):
            world.step(MIDDLE)
        for name in (first, *others):
            EVENTS[name](world)
            world.check()
        for _ in range(3):
            world.step(LOWER)
            world.check()


@pytest.mark.parametrize("sag", [0.0, SAG])
def test_a_new_driver_gets_commands_again_however_weak_the_robot_is(sag: float):
    world = GuardWorld(sag)
    for _ in range(30):
        world.step(UPPER)
    world.restart_driver()
    for _ in range(10):
        world.step(UPPER)
        world.check()
    assert world.latch.stop is None and world.driving.counts["written"] >= 5
    before = world.place
    world.step(UPPER)
    assert (world.place > before).all()


class GuardMachine(RuleBasedStateMachine):
    """The same events, chosen and shrunk by hypothesis."""

    def __init__(self) -> None:
        super().__init__()
        self.world = GuardWorld()

    @rule(share=st.floats(0.0, 1.0), present=st.booleans(), late=st.integers(0, 4 * PERIOD))
    def tick(self, share: float, present: bool, late: int) -> None:
        self.world.step(LOWER + share * (UPPER - LOWER), present=present, late_ns=late)
        self.world.check()

    @rule(value=st.floats(allow_nan=True, allow_infinity=True))
    def absurd_request(self, value: float) -> None:
        self.world.step(np.full(4, value))
        self.world.check()

    @rule(place=st.floats(-50.0, 50.0, allow_nan=False))
    def bogus_measurement(self, place: float) -> None:
        self.world.step(MIDDLE, bogus=np.full(4, place))
        self.world.check()

    @rule(name=st.sampled_from(sorted(EVENTS)))
    def event(self, name: str) -> None:
        EVENTS[name](self.world)
        self.world.check()

    @rule()
    def bus(self) -> None:
        self.world.broken = not self.world.broken

    @rule(share=st.floats(0.0, 1.0))
    def displacement(self, share: float) -> None:
        self.world.displace(LOWER + share * (UPPER - LOWER))
        self.world.check()


TestGuardMachine = GuardMachine.TestCase
TestGuardMachine.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
