# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""What is measured is held against what is allowed: each way to move wrongly stops the robot, and nothing else does.

The joints, their limits and their motion are those of the tutorial's arm, unless a test needs others.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.guard import GuardSettings, MotionSettings
from mat_ros.core.robot.joints import Joint
from mat_ros.core.tick.keeper import Keeper, Keeping
from mat_ros.core.tick.messages import Decision, Observation, Outcome
from mat_ros.core.tick.motion import Breach, Check, Monitor
from mat_ros.core.tick.safety import Gate, Reason
from support.places import BUNDLES, ROOT
from support.servo_arm import ServoArm, layout_of, servo

FOLDER = ROOT / "docs" / "tutorials" / "arm"
TUTORIAL = importlib.util.module_from_spec(
    spec := importlib.util.spec_from_file_location("tutorial_arm", FOLDER / "arm.py"))
spec.loader.exec_module(TUTORIAL)
ROBOT = RobotDescription.load(FOLDER / "arm.yaml")
JOINTS, PERIOD = ROBOT.joints, ROBOT.period_ns
SECOND = 50  # ticks
Command = Callable[[int], np.ndarray]


def still(tick: int) -> np.ndarray:
    return np.array([0.2, -0.3, 0.1])


def swinging(tick: int) -> np.ndarray:
    return np.sin(2.0 * np.pi * 0.25 * tick / SECOND) * np.array([1.2, -1.2, 0.7])


def healthy(timed: bool = False) -> ServoArm:
    arm = ServoArm(JOINTS, PERIOD, timed)
    arm.motion = TUTORIAL.turn
    return arm


def monitor_of(joints: Sequence[Joint] = JOINTS, timed: bool = False, **settings: float) -> Monitor:
    return Monitor(layout_of(joints, timed), joints, PERIOD, replace(ROBOT.guard.motion, **settings))


def watch(command: Command, arm: ServoArm, ticks: int = 6 * SECOND, **settings: float) -> tuple[Breach | None, int]:
    """Return the first breach of an arm under commands, and its tick."""
    monitor = monitor_of(arm.joints, arm.timed, **settings)
    asked = arm.place.copy()
    for tick in range(ticks):
        breach = monitor.judge(arm.measure(), asked, tick * PERIOD)
        if breach is not None:
            return breach, tick
        asked = command(tick)
        arm.move(asked)
    return None, ticks


BROKEN = 2 * SECOND  # when an elbow breaks; a command that swings is then moving


def broken(motion: Callable[[np.ndarray, np.ndarray, int], float], timed: bool = False) -> ServoArm:
    """Return an arm whose elbow breaks."""
    arm, ticks = healthy(timed), [0]

    def move(place, command):
        ticks[0] += 1
        after = TUTORIAL.turn(place, command)
        if ticks[0] > BROKEN:
            after[1] = motion(place, command, ticks[0] - BROKEN)
        return after

    arm.motion = move
    return arm


def dead(place, command, tick):
    return place[1]


def runaway(place, command, tick):
    return place[1] + 8.0 * 0.02  # rad, at twice the rate


def creeping(place, command, tick):
    return place[1] + 1.0 * 0.02


def mirrored(place, command, tick):
    return place[1] + 0.5 * (-command[1] - place[1])


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("command", [still, swinging])
def test_an_arm_that_follows_its_commands_breaches_nothing(command, timed):
    assert watch(command, healthy(timed), 60 * SECOND) == (None, 60 * SECOND)


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize(("command", "motion", "check", "within_s", "text"), [
    (swinging, runaway, Check.FAST, 0.2, r"joint elbow is too fast: 8 rad/s measured, 6 rad/s allowed for 0.1 s"),
    (swinging, mirrored, Check.ASTRAY, 1.5, r"joint elbow is far from its command: \S+ rad measured, 0.3 rad allowed "
                                            r"for 1 s"),
    (still, creeping, Check.UNASKED, 0.7, r"joint elbow moves away from a constant command: \S+ rad measured, 0.3 rad "
                                          r"allowed for 0.25 s"),
    (swinging, dead, Check.STALLED, 1.0, r"joint elbow stands still away from its command: \S+ rad measured, 0.3 rad "
                                         r"allowed for 0.5 s"),
])
def test_each_wrong_motion_is_named_with_what_is_measured_and_what_is_allowed(command, motion, check, within_s, text,
                                                                              timed):
    breach, tick = watch(command, broken(motion, timed))
    assert breach is not None and (breach.check, breach.joints.tolist()) == (check, [False, True, False])
    assert re.fullmatch(text, breach.cause), breach.cause
    assert tick - BROKEN <= within_s * SECOND


@pytest.mark.parametrize(("command", "motion", "off"), [
    (swinging, runaway, {"speed": 0, "drift": 0, "error": 0}), (still, creeping, {"drift": 0, "error": 0}),
    (swinging, mirrored, {"error": 0, "drift": 0}), (swinging, dead, {"stall": 0, "drift": 0, "error": 0})])
def test_a_share_of_zero_turns_a_check_off(command, motion, off):
    assert watch(command, broken(motion), **off)[0] is None


@pytest.mark.parametrize("ticks", [1, 4])
def test_a_wrong_motion_that_is_over_before_its_time_breaches_nothing(ticks):
    def jerk(place, command, tick):
        return runaway(place, command, tick) if tick <= ticks else TUTORIAL.turn(place, command)[1]

    assert watch(swinging, broken(jerk))[0] is None


@pytest.mark.parametrize("settings", [{}, {"speed_s": 0, "error_s": 0, "drift_s": 0, "stall_s": 0}])
def test_one_bogus_sample_breaches_nothing(settings):
    monitor = monitor_of(**settings)
    for tick in range(3 * SECOND):
        place = -9.0 if tick == SECOND else 0.0
        assert monitor.judge(np.full(3, place, np.float32), np.zeros(3), tick * PERIOD) is None


def test_a_joint_that_lags_by_less_than_its_error_allows_is_no_joint_astray():
    slow = ServoArm(JOINTS, PERIOD, share=0.22)  # 0.07 s behind; at the rate of 4 rad/s that is 0.28 rad
    assert watch(lambda tick: np.full(3, 4.0 * 0.02 * abs((tick + 19) % 74 - 37) - 1.48), slow)[0] is None


def test_a_servo_that_is_asked_for_all_its_effort_and_stands_still_is_stalled():
    soft = (servo("shoulder"), servo("elbow", effort=1.0, stiffness=20.0))  # all effort at 0.05 rad from its command
    arm = ServoArm(soft, PERIOD)
    arm.motion = lambda place, command: np.array([command[0], place[1]])
    breach, _ = watch(lambda tick: np.array([0.0, 0.05]), arm)
    assert breach is not None and breach.check is Check.STALLED and "0.045 rad allowed" in breach.cause
    assert watch(lambda tick: np.array([0.0, 0.04]), arm)[0] is None


def test_a_joint_in_effort_is_not_watched_and_one_in_speed_is_watched_by_its_speed():
    motor = servo("motor", quantity="effort", unit="N*m", fallback="zero")
    assert not monitor_of([motor], timed=True).watches
    wheel = servo("wheel", quantity="velocity", unit="rad/s", lower=-10.0, upper=10.0, fallback="zero")
    assert not monitor_of([wheel]).watches  # the robot does not measure its speed
    monitor = monitor_of([motor, wheel], timed=True)
    found = [monitor.judge(np.array([0, 0, 99, 3], np.float32), np.array([1.0, 5.5]), tick * PERIOD)
             for tick in range(60)]
    breach = next(breach for breach in found if breach is not None)
    assert breach.joints.tolist() == [False, True]
    assert breach.cause == "joint wheel is far from its command: 2.5 rad/s measured, 2 rad/s allowed for 1 s"


def judge_all(stamps_ns: list[int], places: list[float]) -> list[Breach]:
    monitor = monitor_of()
    found = [monitor.judge(np.full(3, place, np.float32), np.zeros(3), stamp)
             for stamp, place in zip(stamps_ns, places, strict=True)]
    return [breach for breach in found if breach is not None]


def test_the_speed_comes_from_the_time_between_the_stamps_and_not_from_the_number_of_samples():
    places = list(np.linspace(-0.14, 0.14, 8))  # 0.04 rad in each sample
    late = [k * 10_000_000 for k in range(8)]
    assert not judge_all(late, places)  # 4 rad/s
    assert not judge_all([stamp // 10 for stamp in late], places)  # nearer than half a period: the same sample
    sparse = [k * 5 * PERIOD for k in range(8)]
    (first, *_) = judge_all(sparse, [20.0 * place for place in places])  # 8 rad/s in samples that are rare
    assert first.check is Check.FAST


def test_a_clock_that_is_set_and_a_gap_begin_the_watch_anew():
    for jump_ns in (-3600 * 10**9, 3600 * 10**9):
        stamps = [jump_ns * (k >= 100) + k * PERIOD for k in range(200)]
        assert not judge_all(stamps, [0.0] * 100 + [0.25] * 10 + [0.0] * 90)
        assert judge_all(stamps, [0.0] * 110 + [1.0] * 90)  # and it goes on


def test_a_sample_that_is_not_finite_begins_the_watch_anew():
    stamps = [k * PERIOD for k in range(60)]
    assert not judge_all(stamps, [0.4] * 20 + [np.nan] + [0.4] * 20 + [np.inf] + [0.4] * 18)
    assert judge_all(stamps, [0.4] * 60)


# -- behind the keeper ---------------------------------------------------------------------------------------------

MANIFEST = Bundle.load(BUNDLES / "rwkv4").manifest
STEP = MANIFEST.period_ns


class Kept:
    """The golden arm of four joints behind a keeper; its elbow may be dead."""

    def __init__(self, simulated: bool = False, **settings: object) -> None:
        guard = GuardSettings(blend_s=0.0, stop_all=bool(settings.pop("stop_all", True)),
                              motion=MotionSettings(**settings))  # type: ignore[arg-type]
        self.keeper = Keeper(MANIFEST, Gate(MANIFEST.joints, STEP, guard), Keeping(lockstep=False, simulated=simulated))
        self.place, self.tick, self.dead = np.array([0.0, 0.0, 0.5, 0.0]), 0, False

    def run(self, ticks: int) -> list[Outcome]:
        return [outcome for _ in range(ticks) for outcome in self.step()]

    def step(self) -> list[Outcome]:
        self.tick += 1
        start = self.tick * STEP
        signals = np.zeros(MANIFEST.layout.signal_count, np.float32)
        signals[:4] = self.place
        outcomes = self.keeper.on_observation(Observation(self.tick, start, start + STEP, start, 0, signals), start)
        asked = np.array([0.0, 0.0, 0.5, 0.0]) + 0.4 * np.sin(0.05 * self.tick)
        actions = MANIFEST.action_map.to_actions(asked).astype(np.float32)
        outcomes += self.keeper.on_decision(Decision(self.tick, start, 0, 0, 4, actions, np.zeros(4, np.uint8)), start)
        for outcome in outcomes:
            self.place = np.where(self.dead & (np.arange(4) == 2), self.place, outcome.applied.applied)
        return outcomes


def test_a_wrong_motion_of_a_real_robot_latches_a_stop_with_its_cause_and_its_own_reason():
    kept = Kept()
    assert not any(outcome.applied.stopped for outcome in kept.run(400))
    kept.dead = True
    *_, last = kept.run(100)
    assert last.applied.stopped and kept.keeper.counts["motion"] == 1
    assert kept.keeper.cause.startswith("joint elbow stands still away from its command: ")
    assert [bool(mask & Reason.MOTION) for mask in last.applied.reasons] == [False, False, True, False]
    assert (last.applied.reasons & Reason.STOPPED).all()


def test_the_command_that_follows_the_breach_is_that_of_a_stopped_robot():
    kept = Kept()
    kept.run(100)
    kept.dead = True
    outcomes = kept.run(100)
    first = next(k for k, outcome in enumerate(outcomes) if outcome.applied.stopped)
    assert (outcomes[first].applied.applied == outcomes[first - 1].applied.applied).all()  # `hold`
    assert kept.keeper.counts["motion"] == 1


def test_a_stop_for_a_motion_ends_by_release_alone_and_comes_again_if_the_joint_is_still_dead():
    kept = Kept()
    kept.run(20)
    kept.dead = True
    kept.run(100)
    kept.dead = False
    assert kept.run(100)[-1].applied.stopped
    kept.keeper.release()
    assert kept.keeper.cause == "missed ticks: "
    last = kept.run(100)[-1]
    assert not last.applied.stopped and not (last.applied.reasons & Reason.MOTION).any()
    kept.dead = True
    assert kept.run(100)[-1].applied.stopped


def test_only_the_joint_that_moves_wrongly_stops_where_the_settings_say_so():
    kept = Kept(stop_all=False)
    kept.run(20)
    kept.dead = True
    last = kept.run(200)[-1]
    assert [bool(mask & Reason.STOPPED) for mask in last.applied.reasons] == [False, False, True, False]
    assert kept.keeper.counts["motion"] == 1


@pytest.mark.parametrize(("watch", "simulated", "stops"), [("real", False, True), ("real", True, False),
                                                           ("all", True, True), ("none", False, False)])
def test_the_robot_file_says_which_robots_are_watched(watch, simulated, stops):
    kept = Kept(simulated, watch=watch)
    kept.run(20)
    kept.dead = True
    assert kept.run(100)[-1].applied.stopped is stops


def test_a_robot_that_is_found_elsewhere_after_an_outage_is_no_joint_that_moved_unasked():
    kept = Kept()
    kept.run(50)
    for _ in range(10):  # no observation comes
        kept.tick += 1
        kept.keeper.poll(kept.tick * STEP + STEP // 2 + 1)
    kept.place = kept.place + 0.5
    assert not any(outcome.applied.stopped for outcome in kept.run(200))
