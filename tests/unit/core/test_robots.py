# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Every shipped robot file can be read, and the real Shadow Hand's names lead back to ours."""

from pathlib import Path

import numpy as np
import pytest

import mat_ros
from mat_ros.core.errors import Refused
from mat_ros.core.robot import Robot

FOLDER = Path(mat_ros.__file__).parent / "config" / "robots"
FILES = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_shipped_robot_reads_and_each_of_its_splits_moves_every_joint(file):
    robot = Robot.load(file)
    assert robot.name == file.stem
    for split in robot.splits:
        actions = robot.action_map(split)
        rest = np.array([joint.default for joint in robot.joints])
        np.testing.assert_allclose(actions.to_command(actions.to_actions(rest)), rest, atol=1e-9)


@pytest.mark.parametrize("hardware", ["shadow_command", "shadow_state"])
def test_the_shadow_hand_and_back_is_the_identity(hardware):
    joints = Robot.load(FOLDER / "shadow_hand.yaml").hardware[hardware]
    q_rad = np.random.default_rng(0).uniform(-1, 1, (5, len(joints.policy)))
    np.testing.assert_allclose(joints.to_policy(joints.to_hardware(q_rad)), q_rad, atol=1e-12)


def test_the_names_of_the_shadow_hand_are_one_higher_and_a_finger_s_last_two_joints_share_a_motor():
    robot = Robot.load(FOLDER / "shadow_hand.yaml")
    state, command = robot.hardware["shadow_state"], robot.hardware["shadow_command"]
    q_rad = dict.fromkeys(state.policy, 0.0) | {"FFJ1": 0.5, "FFJ0": 0.5 * 8.05 / 7.05, "RFJ3": 0.1}
    reported = dict(zip(state.hardware, state.to_hardware(np.array(list(q_rad.values()))), strict=True))
    asked = dict(zip(command.hardware, command.to_hardware(np.array([q_rad[j] for j in command.policy])), strict=True))
    assert (reported["rh_FFJ2"], reported["rh_RFJ4"]) == (0.5, 0.1)
    assert asked["rh_FFJ0"] == pytest.approx(reported["rh_FFJ1"] + reported["rh_FFJ2"], abs=1e-6)
    assert len(command.hardware) == 20
    assert len(state.hardware) == 24


@pytest.mark.parametrize(("text", "reason"), [
    ("name: x\nrate_hz: 10\njoints: {a: {quantity: position}}", "joint a"),
    ("name: x\nrate_hz: 10\nwheels: 4\njoints: {}", "wheels"),
    ("- 1", "list"),
    ("name: [", "YAML"),
])
def test_a_robot_file_with_a_mistake_is_refused_in_one_sentence(tmp_path, text, reason):
    (tmp_path / "robot.yaml").write_text(text)
    with pytest.raises(Refused, match=reason):
        Robot.load(tmp_path / "robot.yaml")
