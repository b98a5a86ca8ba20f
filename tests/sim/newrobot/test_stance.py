# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A new robot starts in a pose that its limits allow, and legs stand in it."""

import numpy as np
import pytest

from mat_ros.core.robot.description import RobotDescription
from mat_ros.newrobot.folder import new_robot
from support.robot_files import SERVOS, arm, urdf_arm, urdf_walker, world_of

pytestmark = pytest.mark.sim


def defaults(written):
    return {joint.name: joint.default for joint in RobotDescription.load(written.robot).joints}


def test_a_robot_whose_knees_cannot_be_straight_stands_with_bent_legs(tmp_path):
    written = new_robot(urdf_walker(tmp_path, knee=(0.6, 2.0)), into=tmp_path / "out")
    found = defaults(written)
    assert found["front_left_knee"] == pytest.approx(1.3, abs=0.3)
    assert found["front_left_hip"] == pytest.approx(-found["front_left_knee"] / 2, abs=0.1)  # thigh and shank are equal
    assert any(guess.startswith("start: every limb is bent") for guess in written.guessed)
    world = world_of(tmp_path / "out")
    world.reset(seed=0)
    for _ in range(100):
        world.step(world.rest[None])
    assert world.upright() > 0.98 and world.height() > 0.8


def test_a_pose_inside_the_limits_stays_as_the_file_has_it(tmp_path):
    assert defaults(new_robot(urdf_arm(tmp_path), into=tmp_path / "out")) == {"slew": 0.0, "luff": 0.0, "spin": 0.0}


def test_an_arm_starts_away_from_its_limits(tmp_path):
    written = new_robot(urdf_arm(tmp_path, lower="0"), into=tmp_path / "out")
    assert defaults(written)["luff"] == 0.5
    assert "start: the middle of the range of luff; 0 is at or outside the limits" in written.guessed


def test_a_keyframe_is_the_start(tmp_path):
    key = '<keyframe><key name="rest" qpos="0 0 0"/><key name="home" qpos="1.2 -.4 .3"/></keyframe>'
    written = new_robot(arm(tmp_path, SERVOS + key), into=tmp_path / "out")
    assert defaults(written) == {"slew": 1.2, "luff": 0.0, "dip": 0.0}  # a motor and a speed rest at 0
    assert "start: the keyframe 'home' of the file" in written.guessed
    assert np.isclose(float((tmp_path / "out" / "crane.xml").read_text().split('qpos="')[1].split()[1]), -0.4)


def test_legs_whose_file_states_an_absurd_effort_get_servos_that_carry_the_robot_and_a_warning(tmp_path):
    file = urdf_walker(tmp_path)
    file.write_text(file.read_text().replace('effort="40"', 'effort="9000"'), encoding="utf-8")
    written = new_robot(file, into=tmp_path / "out")
    assert any("front_left_knee: its effort of 9000 is" in warning for warning in written.warnings)
    world = world_of(tmp_path / "out")
    world.reset(seed=0)
    for _ in range(100):
        world.step(np.clip(world.rest + 0.2, world.command_lower, world.command_upper)[None])
    assert world.height() < 1.2 and not world.warnings().any()
