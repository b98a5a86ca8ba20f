# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The tick of the safety gate, one process in place of many, and the check that both agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mat_ros.backends.choose import open_backend
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.tick.checker import Checker
from mat_ros.core.tick.collect import NONE
from mat_ros.core.tick.decide import Decider
from mat_ros.core.tick.encode import Encoder
from mat_ros.core.tick.keeper import Keeper
from mat_ros.core.tick.messages import Decision, Observation
from mat_ros.core.tick.safety import Gate, GateSettings, Reason
from support.one_process import OneProcess
from support.places import BUNDLES

BUNDLE = Bundle.load(BUNDLES / "rwkv4")
PERIOD = BUNDLE.manifest.period_ns
DEADLINE = PERIOD * 4 // 5
SETTINGS = GateSettings(hold_ticks=2, stop_ticks=6, blend_s=0.0)


def keeper(lockstep: bool = False) -> Keeper:
    return Keeper(BUNDLE.manifest, Gate(BUNDLE.manifest.joints, PERIOD, SETTINGS), lockstep)


def observation(tick: int, episode: int = 0, fill: float = 0.2) -> Observation:
    start = tick * PERIOD
    return Observation(tick, start, start + DEADLINE, 5 * tick, episode, np.full(8, fill, np.float32))


def decision(tick: int, slot: int, action: float = 0.0, source: int | None = None) -> Decision:
    return Decision(tick, 5 * tick if source is None else source, 0, slot, slot + 1,
                    np.full((slot + 1, 1), action, np.float32), np.zeros(slot + 1, np.uint8))


def test_a_tick_is_applied_as_soon_as_the_last_slot_has_spoken():
    k = keeper()
    k.on_observation(observation(0), 0)
    assert [k.on_decision(decision(0, slot), 1000 * slot) for slot in (2, 0, 3)] == [[], [], []]
    (outcome,) = k.on_decision(decision(0, 1), 7000)
    assert (outcome.tick, outcome.latency_ns) == (0, 7000)
    assert k.counts["missed"] == 0


def test_at_the_deadline_what_is_missing_keeps_its_last_command():
    k = keeper()
    k.on_observation(observation(0), 0)
    k.on_decision(decision(0, 0), 10)
    assert k.poll(DEADLINE - 1) == []
    (outcome,) = k.poll(DEADLINE)
    # Slot 0 spoke for itself; the others are missing and stay where they were measured.
    assert outcome.validity.tolist() == [0, NONE, NONE, NONE]
    assert (outcome.applied.reasons[1:] & Reason.MISSING).all()
    assert outcome.applied.applied[1:] == pytest.approx(0.2)


def test_a_decision_may_overtake_its_observation():
    k = keeper()
    for slot in range(4):
        assert k.on_decision(decision(0, slot), 0) == []
    assert len(k.on_observation(observation(0), 5)) == 1


def test_a_decision_on_other_measurements_of_the_same_tick_is_refused():
    k = keeper()
    k.on_observation(observation(3), 3 * PERIOD)
    assert k.on_decision(decision(3, 0, source=1), 3 * PERIOD) == []
    assert k.counts["refused"] == 1


def test_decisions_after_the_command_and_of_older_ticks_are_late():
    k = keeper()
    k.on_observation(observation(1), PERIOD)
    k.poll(PERIOD + DEADLINE)
    k.on_decision(decision(1, 0), PERIOD + DEADLINE + 1)
    k.on_decision(decision(0, 0), PERIOD + DEADLINE + 1)
    assert k.counts["late"] == 2


def test_an_owner_that_is_slow_is_waited_for_although_another_has_decided_for_it():
    k = keeper()
    for tick in range(8):
        start = tick * PERIOD
        k.on_observation(observation(tick), start)
        everything = replace(decision(tick, 0), actions=np.zeros((4, 1), np.float32),
                             validity=np.array([0, 1, 1, 1], np.uint8))
        assert k.on_decision(everything, start + 1) == []
        assert len(k.poll(start + DEADLINE)) == 1
        for slot in (1, 2, 3):
            k.on_decision(decision(tick, slot), start + DEADLINE + 1)


def test_an_owner_that_is_silent_is_not_waited_for_any_more_if_another_has_decided_for_it():
    k = keeper()
    for tick in range(4):
        start = tick * PERIOD
        k.on_observation(observation(tick), start)
        everything = replace(decision(tick, 0), actions=np.zeros((4, 1), np.float32),
                             validity=np.array([0, 1, 1, 1], np.uint8))
        assert len(k.on_decision(everything, start + 1)) == (1 if tick >= 2 else 0)
        k.poll(start + DEADLINE)


def test_a_tick_from_far_ahead_is_refused_and_an_old_observation_dropped():
    k = keeper()
    k.on_observation(observation(5), 5 * PERIOD)
    k.on_decision(decision(5000, 0), 5 * PERIOD)
    assert k.on_observation(observation(4), 5 * PERIOD) == []
    assert (k.counts["refused"], k.counts["late"]) == (1, 1)


def test_a_real_robot_that_nobody_measures_any_more_is_held_then_rested_then_stopped():
    k = keeper()
    k.on_observation(observation(0), 0)
    now = DEADLINE
    for _ in range(SETTINGS.stop_ticks + 2):
        (outcome,) = k.poll(now)
        now = k.wake_ns
    assert outcome.applied.stopped
    assert k.counts["unheard"] == SETTINGS.stop_ticks + 1


def test_a_lockstep_robot_that_stands_still_is_not_hurried():
    k = keeper(lockstep=True)
    k.on_observation(observation(0), 0)
    k.poll(DEADLINE)
    assert k.wake_ns is None


def test_a_robot_is_not_taken_over_before_every_joint_is_measured():
    k = keeper()
    assert k.on_observation(observation(0, fill=np.nan), 0) == []
    assert k.wake_ns is None
    k.on_observation(observation(1), PERIOD)
    assert k.wake_ns == PERIOD + DEADLINE


def test_a_stopped_robot_that_comes_back_elsewhere_is_held_there_and_not_pulled_back():
    k = keeper()
    k.on_observation(observation(0, fill=0.2), 0)
    k.poll(DEADLINE)
    now = DEADLINE
    for _ in range(SETTINGS.stop_ticks + 2):
        now = k.wake_ns
        (outcome,) = k.poll(now)
    assert outcome.applied.stopped
    tick = now // PERIOD + 1
    for later in range(3):
        k.on_observation(observation(tick + later, fill=0.9), (tick + later) * PERIOD)
        (outcome,) = k.poll((tick + later) * PERIOD + DEADLINE)
        assert outcome.applied.stopped
        np.testing.assert_allclose(outcome.applied.applied, 0.9, atol=1e-6)


def test_a_new_episode_releases_a_stop():
    k = keeper(lockstep=True)
    k.on_observation(observation(0), 0)
    k.gate.stop()
    assert k.poll(DEADLINE)[0].applied.stopped
    k.on_observation(observation(1, episode=1), PERIOD)
    assert not k.poll(PERIOD + DEADLINE)[0].applied.stopped


def test_leaving_walks_every_joint_to_its_fallback():
    joints = tuple(replace(joint, fallback="default", rate=1.0) for joint in BUNDLE.manifest.joints)
    gate = Gate(joints, PERIOD, SETTINGS)
    k = Keeper(replace(BUNDLE.manifest, joints=joints), gate, lockstep=False)
    k.on_observation(observation(0), 0)
    outcomes = list(k.rest())
    commands = [outcome.applied.applied for outcome in outcomes]
    assert all(outcome.applied.stopped for outcome in outcomes)
    assert commands[-1] == pytest.approx(0.0)
    assert np.abs(np.diff(commands, axis=0)).max() <= 1.0 * PERIOD * 1e-9 + 1e-12


def ticks_of(process: OneProcess, count: int):
    rng = np.random.default_rng(0)
    return [process.tick(rng.normal(size=8).astype(np.float32), source_ns=tick) for tick in range(count)]


def test_one_process_gives_the_same_bits_twice_and_the_checker_agrees():
    backend = open_backend("native", BUNDLE)
    runs = [ticks_of(OneProcess(BUNDLE.manifest, backend, SETTINGS), 20) for _ in range(2)]
    assert all((a.applied.applied == b.applied.applied).all() for a, b in zip(*runs, strict=True))
    m = BUNDLE.manifest
    checker = Checker(Encoder(backend, m), Decider(backend, m.network, m.state), m.network.agents)
    rng = np.random.default_rng(0)
    for tick, outcome in enumerate(runs[0]):
        checker.on_observation(Observation(tick, 0, 0, tick, 0, rng.normal(size=8).astype(np.float32)))
        spoilt = outcome.actions.copy()
        spoilt[2] = np.nextafter(spoilt[2], np.float32(9))
        assert checker.on_outcome(replace(outcome, actions=spoilt) if tick == 7 else outcome) is (tick != 7)
    assert (checker.counts["compared"], checker.counts["differing"]) == (20, 1)
    assert checker.difference.startswith("tick 7, slot 2:")


def test_an_outcome_that_overtakes_its_observation_is_compared_all_the_same():
    backend, m = open_backend("native", BUNDLE), BUNDLE.manifest
    (outcome,) = ticks_of(OneProcess(m, backend, SETTINGS), 1)
    checker = Checker(Encoder(backend, m), Decider(backend, m.network, m.state), m.network.agents)
    assert checker.on_outcome(outcome) is None
    signals = np.random.default_rng(0).normal(size=8).astype(np.float32)
    assert checker.on_observation(Observation(0, 0, 0, 0, 0, signals)) is True
    assert (checker.counts["compared"], checker.counts["unmatched"]) == (1, 0)


def test_measurements_that_are_not_finite_are_never_decided_on():
    process = OneProcess(BUNDLE.manifest, open_backend("native", BUNDLE), SETTINGS)
    good = process.tick(np.full(8, 0.1, np.float32))
    bad = process.tick(np.full(8, np.nan, np.float32))
    assert (bad.validity == NONE).all()
    assert (bad.applied.applied == good.applied.applied).all()
