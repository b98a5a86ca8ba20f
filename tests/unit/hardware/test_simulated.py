# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A shipped policy in its own simulated robot, without ROS."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="needs the sim extra")

from mat_ros.backends.choose import open_backend
from mat_ros.core import shipped
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.hardware.simulated import SimulatedRobot
from support.one_process import OneProcess

pytestmark = pytest.mark.sim


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load(shipped.policy_folder("dexhands_door_mat"))


def episode(bundle: Bundle, seed: int, ticks: int):
    robot = SimulatedRobot(bundle.manifest, seed=seed)
    process = OneProcess(bundle.manifest, open_backend("native", bundle), GuardSettings(blend_s=0.0))
    while robot.ended is None and robot.result().ticks < ticks:
        reading = robot.read()
        outcome = process.tick(reading.signals, reading.source_ns, reading.episode)
        robot.decided(outcome.actions)
        robot.write(outcome.applied.applied)
    return robot.result()


def test_two_episodes_of_one_seed_are_equal_to_the_last_bit(bundle):
    assert episode(bundle, 3, 40) == episode(bundle, 3, 40)


def test_a_simulated_robot_measures_what_the_policy_sees_and_takes_its_commands(bundle):
    robot = SimulatedRobot(bundle.manifest)
    description = robot.describe()
    reading = robot.read()
    assert reading.signals.shape == (bundle.manifest.layout.signal_count,)
    with pytest.raises(Refused, match="finite values"):
        robot.write(np.full(len(description.joints), np.nan))
    robot.write(np.clip(np.zeros(len(description.joints)), description.lower, description.upper))
    assert robot.result().ticks == 1
    assert robot.read().source_ns == description.period_ns
