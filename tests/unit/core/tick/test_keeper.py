# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The tick of the safety gate, one process in place of many, and the check that both agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mat_ros.backends.choose import open_backend
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.core.tick.checker import Checker
from mat_ros.core.tick.collect import NONE
from mat_ros.core.tick.decide import Decider
from mat_ros.core.tick.encode import Encoder
from mat_ros.core.tick.keeper import Keeper, Keeping
from mat_ros.core.tick.messages import Decision, Observation, Outcome
from mat_ros.core.tick.safety import Gate, Reason
from support.one_process import OneProcess
from support.places import BUNDLES

BUNDLE = Bundle.load(BUNDLES / "rwkv4")
PERIOD = BUNDLE.manifest.period_ns
DEADLINE = PERIOD * 4 // 5
SETTINGS = GuardSettings(hold_ticks=2, stop_ticks=6, blend_s=0.0)


def keeper(lockstep: bool = False) -> Keeper:
    return Keeper(BUNDLE.manifest, Gate(BUNDLE.manifest.joints, PERIOD, SETTINGS),
                  Keeping(lockstep, simulated=True))


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


def test_each_decision_that_is_not_used_counts_once():
    k = keeper()
    k.on_observation(observation(1), PERIOD)
    k.on_decision(decision(0, 0), PERIOD)
    k.on_decision(replace(decision(1, 0), validity=np.zeros(9, np.uint8)), PERIOD)
    for slot in (0, 1, 2, 3, 3):
        k.on_decision(decision(1, slot), PERIOD)
    assert (k.counts["late"], k.counts["refused"]) == (2, 1)


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


class RealRobot:
    """A free-running robot in time: it is measured, decided for, and whatever the keeper says is written down."""

    def __init__(self, **settings: object) -> None:
        self.keeper = Keeper(BUNDLE.manifest, Gate(BUNDLE.manifest.joints, PERIOD, replace(SETTINGS, **settings)),
                             Keeping(lockstep=False, simulated=False))
        self.now, self.tick = 10 * PERIOD, 0
        self.written: list[tuple[int, Outcome]] = []

    def wait(self, until: int) -> None:
        while (wake := self.keeper.wake_ns) is not None and wake <= until:
            self.now = max(self.now, wake)
            self._note(self.keeper.poll(self.now))
        self.now = until

    def measure(self, place: float, asked: float | None = None, episode: int = 0, **changes: int) -> None:
        """Measure every joint at a place, let every slot ask for a command, and let a period pass."""
        start = self.now
        seen = Observation(self.tick, start, start + DEADLINE, start, episode, np.full(8, place, np.float32))
        seen = replace(seen, **{name: getattr(seen, name) + change for name, change in changes.items()})
        self._note(self.keeper.on_observation(seen, self.now))
        if asked is not None:
            actions = BUNDLE.manifest.action_map.to_actions(np.full(4, asked)).astype(np.float32)
            whole = Decision(self.tick, seen.source_ns, 0, 0, 4, actions, np.zeros(4, np.uint8))
            self._note(self.keeper.on_decision(whole, self.now))
        self.tick += 1
        self.wait(start + PERIOD)

    def _note(self, outcomes: list[Outcome]) -> None:
        self.written += [(self.now, outcome) for outcome in outcomes]

    @property
    def command(self) -> np.ndarray:
        return self.written[-1][1].applied.applied


def test_a_robot_is_taken_over_only_where_several_samples_agree():
    robot = RealRobot()
    for place in (0.2, -0.9, 0.2, 0.2):  # one of the first three is bogus
        robot.measure(place, asked=0.2)
        assert robot.written == []
    robot.measure(0.2, asked=0.2)
    assert robot.command == pytest.approx(0.2)


def test_one_bogus_sample_after_an_outage_moves_nothing():
    robot = RealRobot()
    for _ in range(5):
        robot.measure(0.2, asked=0.2)
    robot.wait(robot.now + 20 * PERIOD)
    assert robot.written[-1][1].applied.stopped
    robot.measure(-0.9)
    for _ in range(10):
        robot.measure(0.2)
    assert np.array([outcome.applied.applied for _, outcome in robot.written]) == pytest.approx(0.2)


def test_a_stopped_robot_that_comes_back_elsewhere_is_held_there_and_not_pulled_back():
    robot = RealRobot()
    for _ in range(5):
        robot.measure(0.2, asked=0.2)
    robot.wait(robot.now + 20 * PERIOD)
    assert robot.command == pytest.approx(0.2)
    settled = len(robot.written)
    for _ in range(8):
        robot.measure(0.9)
    found = [outcome for _, outcome in robot.written[settled:]]
    assert all(outcome.applied.stopped for outcome in found)
    assert robot.command == pytest.approx(0.9)
    changed = [outcome for outcome in found if (outcome.applied.reasons & Reason.SETTLED).all()]
    assert len(changed) == 1 and changed[0].applied.applied == pytest.approx(0.9)


def test_a_joint_that_sags_a_little_is_not_taken_for_moved():
    robot = RealRobot(stop_ticks=0)
    for _ in range(5):
        robot.measure(0.2, asked=0.2)
    for _ in range(50):  # outages under gravity
        robot.wait(robot.now + 6 * PERIOD)
        for _ in range(4):
            robot.measure(0.199)
    assert robot.command == pytest.approx(0.2)


def test_a_latched_stop_of_a_real_robot_outlives_episodes_and_activations_and_ends_by_release():
    robot = RealRobot()
    for _ in range(5):
        robot.measure(0.2, asked=0.2)
    robot.keeper.gate.stop()
    for _ in range(5):
        robot.measure(0.2, asked=0.9, episode=7)
        assert robot.written[-1][1].applied.stopped
    robot.keeper.take_over(latched=True)  # its process was started again and found the stop on disk
    for _ in range(6):
        robot.measure(0.2, asked=0.9)
    assert robot.written[-1][1].applied.stopped and robot.command == pytest.approx(0.2)
    robot.keeper.release()
    for _ in range(6):
        robot.measure(0.2, asked=0.25)
    assert not robot.written[-1][1].applied.stopped


def test_commands_change_by_the_rate_times_the_time_that_has_passed_and_not_by_their_number():
    joints = tuple(replace(joint, rate=1.0) for joint in BUNDLE.manifest.joints)
    k = Keeper(BUNDLE.manifest, Gate(joints, PERIOD, SETTINGS), Keeping(lockstep=False, simulated=True))
    start = 10 * PERIOD
    k.on_observation(replace(observation(0), start_ns=start, deadline_ns=start + DEADLINE), start)
    k.poll(start + DEADLINE)
    first, begun = k.gate.last, start + PERIOD
    for step in range(1, 201):  # 200 ticks, one microsecond apart
        now = begun + 1000 * step
        k.on_observation(replace(observation(step), start_ns=now, deadline_ns=now + DEADLINE), now)
        for slot in range(4):
            k.on_decision(decision(step, slot, 1.0), now)
    assert np.abs(k.gate.last - first).max() <= 1.0 * (PERIOD + 200_000) * 1e-9


def test_a_decision_that_comes_after_the_deadline_is_not_applied():
    k = keeper()
    k.on_observation(observation(0), 0)
    for slot in range(3):
        k.on_decision(decision(0, slot, 0.9), 10)
    (outcome,) = k.on_decision(decision(0, 3, 0.9), 10 * PERIOD)  # the process was stopped meanwhile
    assert (outcome.validity == NONE).all()
    assert outcome.applied.applied == pytest.approx(0.2)


@pytest.mark.parametrize("change", [{"start_ns": 3600 * 10**9, "deadline_ns": 3600 * 10**9}, {"deadline_ns": 10**15},
                                    {"start_ns": -10 * PERIOD, "deadline_ns": -10 * PERIOD}])
def test_an_observation_from_a_time_that_cannot_be_leaves_the_gate_hearing(change):
    robot = RealRobot()
    for _ in range(5):
        robot.measure(0.2, asked=0.2)
    robot.measure(0.2, asked=0.2, **change)
    before = len(robot.written)
    for _ in range(3):
        robot.measure(0.2, asked=0.2)
    assert len(robot.written) >= before + 3
    assert (robot.written[-1][1].validity == 0).all()


@pytest.mark.parametrize("step_ns", [-3600 * 10**9, 3600 * 10**9])
def test_a_clock_that_is_set_costs_a_few_ticks_and_not_the_robot(step_ns):
    robot = RealRobot()
    for _ in range(5):
        robot.measure(0.2, asked=0.2)
    robot.now += step_ns
    before = len(robot.written)
    for _ in range(10):
        robot.measure(0.2, asked=0.2)
    assert len(robot.written) >= before + 5
    assert not robot.written[-1][1].applied.stopped and (robot.written[-1][1].validity == 0).all()


def test_an_infinite_action_counts_as_missing():
    k = keeper(lockstep=True)
    k.on_observation(observation(0), 0)
    outcomes = [k.on_decision(decision(0, slot, np.inf), 10) for slot in range(4)]
    applied = outcomes[-1][0].applied
    assert (applied.reasons & Reason.NOT_FINITE).all()
    assert applied.applied == pytest.approx(0.2)


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
    k = Keeper(replace(BUNDLE.manifest, joints=joints), gate, Keeping(lockstep=False, simulated=True))
    k.on_observation(observation(0), 0)
    outcomes = list(k.rest())
    commands = [outcome.applied.applied for outcome in outcomes]
    assert all(outcome.applied.stopped for outcome in outcomes)
    assert k.stopped  # so that nobody takes the rest for a new stop, which only an operator may undo
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


def test_a_tick_that_no_node_decided_is_never_counted_as_compared_and_equal():
    backend, m = open_backend("native", BUNDLE), BUNDLE.manifest
    checker = Checker(Encoder(backend, m), Decider(backend, m.network, m.state), m.network.agents)
    (outcome,) = ticks_of(OneProcess(m, backend, SETTINGS), 1)
    nobody = replace(outcome, validity=np.full(4, NONE, np.uint8), actions=np.full_like(outcome.actions, np.nan))
    signals = np.random.default_rng(0).normal(size=8).astype(np.float32)
    for tick in range(10):
        checker.on_observation(Observation(tick, 0, 0, 0, 0, signals))
        assert checker.on_outcome(replace(nobody, tick=tick)) is None
    assert (checker.counts["compared"], checker.counts["undecided"]) == (0, 10)


@pytest.mark.parametrize("times", [10, 1 / 10])
def test_at_another_rate_than_the_policys_joints_move_as_fast_and_rest_as_soon(times: float):
    period = round(PERIOD * times)
    joints = tuple(replace(joint, fallback="default", rate=1.0) for joint in BUNDLE.manifest.joints)
    k = Keeper(replace(BUNDLE.manifest, joints=joints), Gate(joints, period, SETTINGS),
               Keeping(lockstep=False, simulated=True, period_ns=period))
    k.on_observation(replace(observation(0, fill=0.8), deadline_ns=period * 4 // 5), 0)
    commands = [outcome.applied.applied for outcome in k.rest()]  # its caller sends one per period
    assert np.abs(np.diff(commands, axis=0)).max() <= 1.0 * period * 1e-9 + 1e-12
    assert len(commands) * period <= 2_000_000_000 + period
    assert commands[-1] == pytest.approx(0.0)
