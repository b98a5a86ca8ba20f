# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Broken joints are noticed from commands and motion alone, soon, and healthy ones are left in peace."""

import numpy as np
import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.faults.detect import Cause, Detector, DetectorSettings, Health, Model, Places
from mat_ros.core.tick.messages import Validity

JOINTS, PERIOD_S = 3, 0.05
PLACES = Places(np.arange(JOINTS), JOINTS + np.arange(JOINTS), np.ones(JOINTS, dtype=bool), PERIOD_S)
ONSET = 150


class Arm:
    """Three damped, coupled joints driven by torques that are a function of time and of chance."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.q, self.v = np.zeros((2, JOINTS))
        self.tick = 0

    def command(self):
        phase = self.tick * PERIOD_S * np.array([4.0, 5.0, 6.0])
        return np.sin(phase) + 0.3 * self.rng.normal(size=JOINTS)

    def step(self, torque):
        before = self.v.copy()
        self.v = self.v + PERIOD_S * (20.0 * torque - 6.0 * self.v - 10.0 * self.q + 2.0 * np.roll(self.v, 1))
        self.q = self.q + PERIOD_S * 0.5 * (before + self.v)
        self.v += 0.01 * self.rng.normal(size=JOINTS)
        self.tick += 1

    def read(self):
        return np.concatenate([self.q, self.v])


def episode(seed, ticks=400, break_=None, spoil=None, detector=None):
    arm, signals, commands, found = Arm(seed), [], [], {}
    said = arm.read()
    for tick in range(ticks):
        reading = arm.read()
        if spoil is not None and tick >= ONSET:
            reading = spoil(reading, said, tick)
        said = reading
        signals.append(reading)
        if detector is not None:
            for joint in np.flatnonzero(detector.observe(reading)[0] == Health.ERROR):
                found.setdefault(int(joint), tick)
        command = arm.command()
        commands.append(command)
        if detector is not None:
            detector.commanded(command, np.ones((1, JOINTS), dtype=bool))
        arm.step(break_(command.copy()) if break_ is not None and tick >= ONSET else command)
        if break_ is LOCK and tick >= ONSET:
            arm.v[1] = 0.0
    return np.array(signals), np.array(commands)[:-1], found


def LOCK(command):
    return command * [1, 0, 1]


@pytest.fixture(scope="module")
def model():
    runs = [episode(seed)[:2] for seed in range(100, 106)]
    return Model.learn(PLACES, [s for s, _ in runs], [u for _, u in runs], DetectorSettings().memory_ticks)


def watch(model, **how):
    detector = Detector(PLACES, model)
    return detector, episode(1, detector=detector, **how)[2]


def test_a_healthy_robot_raises_no_alarm(model):
    for seed in range(5):
        assert episode(seed, 400, detector=Detector(PLACES, model))[2] == {}


@pytest.mark.parametrize(("name", "break_", "share"), [
    ("off", lambda u: u * [1, 0, 1], 0.0),
    ("wrong", lambda u: u * [1, -1, 1], -1.0),
    ("weak", lambda u: u * [1, 0.25, 1], 0.25),
])
def test_a_motor_that_does_not_follow_is_found_alone_and_within_two_seconds(model, name, break_, share):
    detector, found = watch(model, break_=break_)
    assert list(found) == [1]
    assert ONSET < found[1] <= ONSET + 40
    (override,) = detector.overrides(np.arange(JOINTS), np.zeros(JOINTS, int), 1).values()
    assert abs(override.share[0] - share) <= 0.5  # as it stood when the fault was confirmed
    assert override.validity == Validity.ZERO


def test_a_locked_joint_is_found_and_told_as_held(model):
    detector, found = watch(model, break_=LOCK)
    assert list(found) == [1]
    assert Cause.STILL in Cause(int(detector.causes[0, 1]))
    assert detector.overrides(np.arange(JOINTS), np.zeros(JOINTS, int), 1)[1].validity == Validity.HELD


def test_a_frozen_reading_is_found_within_half_a_second_and_is_not_told_as_a_motor(model):
    detector, found = watch(model, spoil=lambda now, before, tick: np.where(np.arange(6) == 4, before, now))
    assert ONSET < found[1] <= ONSET + 10
    assert Cause.FROZEN in Cause(int(detector.causes[0, 1]))
    told = detector.overrides(np.arange(JOINTS), np.zeros(JOINTS, int), 1)
    assert {slot: override.share.tolist() for slot, override in told.items() if (override.share != 1.0).any()} == {}


def test_a_robot_at_rest_repeats_its_readings_without_an_alarm(model):
    detector = Detector(PLACES, model)
    for _ in range(50):
        detector.observe(np.array([0.5, 0.1, -0.3, 0.0, 1e-7, 0.0]))
        detector.commanded(np.zeros(JOINTS), np.ones((1, JOINTS), dtype=bool))
    assert (detector.health == Health.OK).all()


def test_a_velocity_that_contradicts_the_position_is_found(model):
    _, found = watch(model, spoil=lambda now, before, tick: now + 3.0 * (np.arange(6) == 5))
    assert found[2] <= ONSET + 40


def test_joints_without_decisions_are_found_in_as_many_ticks_as_asked_for(model):
    settings = DetectorSettings()
    detector = Detector(PLACES, model, settings)
    arm = Arm(0)
    for tick in range(40):
        detector.observe(arm.read())
        command = arm.command()
        detector.commanded(command, np.array([[True, True, tick < 20]]))
        arm.step(command)
        if tick == 20 + settings.missing_ticks + settings.confirm_ticks:
            assert detector.health[0].tolist() == [0, 0, Health.ERROR]
    assert Cause(int(detector.causes[0, 2])) == Cause.MISSING


def test_old_readings_are_stale(model):
    detector = Detector(PLACES, model)
    arm = Arm(0)
    for _ in range(10):
        detector.observe(arm.read(), age_ticks=10.0)
    assert (detector.health == Health.STALE).all()


def test_a_repaired_joint_is_believed_only_after_a_long_calm(model):
    detector = Detector(PLACES, model)
    arm, levels = Arm(2), []
    for tick in range(500):
        levels.append(int(detector.observe(arm.read())[0, 1]))
        command = arm.command()
        detector.commanded(command, np.ones((1, JOINTS), dtype=bool))
        arm.step(command * [1, 0, 1] if ONSET <= tick < 250 else command)
    assert levels[249] == Health.ERROR
    assert levels[255] == Health.ERROR
    assert levels[-1] == Health.OK


def test_many_robots_are_judged_as_each_alone(model):
    together, alone = Detector(PLACES, model, robots=2), [Detector(PLACES, model) for _ in range(2)]
    arms = [Arm(5), Arm(6)]
    for tick in range(300):
        readings = np.array([arm.read() for arm in arms])
        together.observe(readings)
        commands = np.array([arm.command() for arm in arms])
        for k, detector in enumerate(alone):
            detector.observe(readings[k])
            assert detector.health[0].tolist() == together.health[k].tolist()
            detector.commanded(commands[k], np.ones((1, JOINTS), dtype=bool))
        together.commanded(commands, np.ones((2, JOINTS), dtype=bool))
        for k, arm in enumerate(arms):
            arm.step(commands[k] * ([1, 1, 0] if k and tick > ONSET else [1, 1, 1]))
    assert together.health[0].tolist() == [0, 0, 0]
    assert together.health[1, 2] == Health.ERROR


def test_too_little_experience_is_refused():
    signals, commands, _ = episode(0, 12)
    with pytest.raises(Refused, match="ticks"):
        Model.learn(PLACES, [signals], [commands], 12.0)


def test_settings_that_could_never_detect_are_refused():
    with pytest.raises(Refused, match="detector"):
        DetectorSettings(share_error=1.2)
