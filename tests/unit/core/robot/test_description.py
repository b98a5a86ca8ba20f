# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Every shipped robot file can be read, and the real Shadow Hand's names lead back to ours."""

import time
from pathlib import Path

import numpy as np
import pytest

import mat_ros
from mat_ros.core.errors import Refused
from mat_ros.core.robot.description import RobotDescription

FOLDER = Path(mat_ros.__file__).parent / "config" / "robots"
FILES = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_shipped_robot_reads_and_each_of_its_splits_moves_every_joint(file):
    robot = RobotDescription.load(file)
    assert robot.name == file.stem
    for split in robot.splits:
        actions = robot.action_map(split)
        rest = np.array([joint.default for joint in robot.joints])
        np.testing.assert_allclose(actions.to_command(actions.to_actions(rest)), rest, atol=1e-9)


@pytest.mark.parametrize("hardware", ["shadow_command", "shadow_state"])
def test_the_shadow_hand_and_back_is_the_identity(hardware):
    joints = RobotDescription.load(FOLDER / "shadow_hand.yaml").hardware[hardware]
    q_rad = np.random.default_rng(0).uniform(-1, 1, (5, len(joints.policy)))
    np.testing.assert_allclose(joints.to_policy(joints.to_hardware(q_rad)), q_rad, atol=1e-12)


def test_the_names_of_the_shadow_hand_are_one_higher_and_a_finger_s_last_two_joints_share_a_motor():
    robot = RobotDescription.load(FOLDER / "shadow_hand.yaml")
    state, command = robot.hardware["shadow_state"], robot.hardware["shadow_command"]
    q_rad = dict.fromkeys(state.policy, 0.0) | {"FFJ1": 0.5, "FFJ0": 0.5 * 8.05 / 7.05, "RFJ3": 0.1}
    reported = dict(zip(state.hardware, state.to_hardware(np.array(list(q_rad.values()))), strict=True))
    asked = dict(zip(command.hardware, command.to_hardware(np.array([q_rad[j] for j in command.policy])), strict=True))
    assert (reported["rh_FFJ2"], reported["rh_RFJ4"]) == (0.5, 0.1)
    assert asked["rh_FFJ0"] == pytest.approx(reported["rh_FFJ1"] + reported["rh_FFJ2"], abs=1e-6)
    assert len(command.hardware) == 20
    assert len(state.hardware) == 24


BASE = """
name: base
rate_hz: 10
joint_defaults: {quantity: position, unit: rad, lower: -1, upper: 1, rate: 1, effort: 1, scale: 1, offset: 0,
                 default: 0, fallback: hold}
joints: {"a:x": {}, "a:y": {upper: 2}, "b:x": {}}
splits: {side: {a: ["a:x", "a:y"], b: ["b:x"]}}
"""


def extend(folder, text):
    (folder / "base.yaml").write_text(BASE)
    (folder / "robot.yaml").write_text(f"name: robot\nextends: base\n{text}")
    return RobotDescription.load(folder / "robot.yaml")


def test_a_file_that_extends_another_has_all_that_it_does_not_change(tmp_path):
    robot, base = extend(tmp_path, ""), RobotDescription.load(tmp_path / "base.yaml")
    assert robot.name == "robot"
    assert (robot.joints, robot.period_ns, robot.splits["side"]) == (base.joints, base.period_ns, base.splits["side"])


def test_an_extending_file_changes_joints_by_pattern_drops_some_and_adds_others(tmp_path):
    robot = extend(tmp_path, 'without: ["a:y"]\njoints: {"*:x": {effort: 7}, c: {rate: 3}}\n'
                             'splits: {side: {a: ["a:x"], b: ["b:x", c]}}')
    assert [(j.name, j.effort, j.rate) for j in robot.joints] == [("a:x", 7, 1), ("b:x", 7, 1), ("c", 1, 3)]
    assert [agent.joints for agent in robot.agents("side")] == [("a:x",), ("b:x", "c")]


def test_a_dropped_joint_leaves_its_agents_too(tmp_path):
    assert [agent.joints for agent in extend(tmp_path, 'without: ["*:y"]').agents("side")] == [("a:x",), ("b:x",)]


@pytest.mark.parametrize(("text", "reason"), [
    ('without: ["c:*"]', "c:\\*"),
    ("wheels: 4", "wheels"),
    ('joints: {"c*": {effort: 2}}', "c\\*"),
    ("joints: {c: {lower: -1}}", "c"),  # the split of the base does not move it
])
def test_an_extension_with_a_mistake_is_refused(tmp_path, text, reason):
    with pytest.raises(Refused, match=reason):
        extend(tmp_path, text)


def test_files_that_extend_each_other_are_refused(tmp_path):
    (tmp_path / "robot.yaml").write_text("name: robot\nextends: other")
    (tmp_path / "other.yaml").write_text("name: other\nextends: robot")
    with pytest.raises(Refused, match="extends"):
        RobotDescription.load(tmp_path / "robot.yaml")


@pytest.mark.parametrize(("text", "reason"), [
    ("name: x\nrate_hz: 10\njoints: {a: {quantity: position}}", "joint a"),
    ("name: x\nrate_hz: 10\nwheels: 4\njoints: {}", "got wheels; rename or remove them"),
    ("name: x\njoints: {}", "expected the field rate_hz, got name, joints only; add it"),
    ("- 1", "list"),
    ("name: [", "YAML"),
])
def test_a_robot_file_with_a_mistake_is_refused_in_one_sentence(tmp_path, text, reason):
    (tmp_path / "robot.yaml").write_text(text)
    with pytest.raises(Refused, match=reason):
        RobotDescription.load(tmp_path / "robot.yaml")


ROBOT = """
name: crane
rate_hz: 50
joint_defaults: {quantity: position, unit: rad, lower: -1, upper: 1, rate: 1, effort: 1, scale: 1, offset: 0,
                 default: 0, fallback: hold}
joints: {slew: , luff: {lower: -0.5}}
"""


@pytest.mark.parametrize(("right", "wrong", "said"), [
    ("lower: -0.5", "lower: minus", "joint luff, lower: expected a number, got minus"),
    ("lower: -0.5", "lower: ", "joint luff, lower: expected a number, got None"),
    ("{lower: -0.5}", "3", "joints: expected names with fields"),
    ("{slew: , luff: {lower: -0.5}}", "[slew, luff]", "joints: expected names with fields"),
    ("rate_hz: 50", "rate_hz: .inf", "rate_hz: expected a number from 0.001 to"),
    ("rate_hz: 50", "rate_hz: 1.0e-300", "rate_hz: expected a number from 0.001 to"),
    ("rate_hz: 50", "rate_hz: 50\nsplits: {x: 3}", "splits: expected lists of joints by split and agent"),
    ("rate_hz: 50", "rate_hz: 50\nsplits: {x: {a: 3}}", "splits: expected lists of joints by split and agent"),
    ("rate_hz: 50", "rate_hz: 50\nhardware: {x: 3}", "hardware: expected joint maps and topics by name"),
    ("rate_hz: 50", "rate_hz: 50\nhardware: {x: {joints: {a: 3}}}", "joint map: expected rows like"),
    ("rate_hz: 50", "rate_hz: 50\nhardware: {x: {joints: {a: {of: 3}}}}", "joint a: expected a joint, or weights"),
    ("rate_hz: 50", "rate_hz: 50\nhardware: {x: {joints: {a: {of: {luff: x}}}}}", "joint a: expected a number, got x"),
    ("rate_hz: 50", "rate_hz: 50\nhardware: {x: {joints: {a: {of: {luff: .nan}}}}}", "joint a: expected finite"),
    ("rate_hz: 50", "rate_hz: 50\nhardware: {x: {joints: {a: {of: luff, offset: .nan}}}}", "joint a: expected finite"),
    ("joint_defaults: {", "joint_defaults: 3\nguard: {", "joint_defaults: expected fields of a joint"),
    ("{slew: , luff: {lower: -0.5}}", "{}", "joints: expected at least one joint, got none; list the joints"),
    ("{slew: , luff: {lower: -0.5}}", "{1: {lower: -0.5}}", "joints: expected names with fields"),
    ("{slew: , luff: {lower: -0.5}}", "{slew: , slew: {lower: -0.5}}", "expected each key once, got slew twice"),
    ("{lower: -0.5}", "{lower: true}", "joint luff, lower: expected a number, got True"),
    ("{lower: -0.5}", "{name: jib}", "joint luff: expected its name as the key alone"),
    ("{lower: -0.5}", f"{{lower: -1{'0' * 400}}}", "joint luff, lower: expected a number, got -10"),
    ("name: crane", "name: [a]", "name: expected a word, got \\['a'\\]"),
    ("rate_hz: 50", "rate_hz: 50\nworld: 3", "world: expected a word, got 3"),
    ("rate_hz: 50", "rate_hz: 50\nsplits: [a]", "splits: expected lists of joints by split and agent"),
    ("rate_hz: 50", "rate_hz: 50\nsplits: {1: {a: [slew]}}", "splits: expected lists of joints by split and agent"),
    ("rate_hz: 50", "rate_hz: 50\nhardware: [a]", "hardware: expected joint maps and topics by name"),
    ("rate_hz: 50", "rate_hz: 50\nhardware: {x: {j1: luff}}", "hardware x: expected some of the fields .*, got j1"),
    ("rate_hz: 50", "rate_hz: 50\nhardware: {x: {}}", "hardware x: expected some of the fields .*, got none"),
    ("rate_hz: 50", "rate_hz: 50\nhardware: {x: {of: luff, joints: {}}}", "hardware x, of: expected a list of joints"),
    ("rate_hz: 50", "rate_hz: 50\nhardware: {x: {joints: {}}}", "joint map: expected a way back"),
    ("rate_hz: 50", "rate_hz: 50\nhardware: {x: {joints: {a: luff}}}", "joint map: expected rows like"),
    ("rate_hz: 50", "rate_hz: 50\nhardware: {x: {joints: {a: {of: luff, scale: 2}}}}", "joint map: expected rows like"),
    ("rate_hz: 50", "rate_hz: fast", "rate_hz: expected a number from 0.001 to 1e\\+06, got fast"),
])
def test_a_value_of_the_wrong_kind_is_refused_by_name(right, wrong, said, tmp_path):
    file = tmp_path / "crane.yaml"
    file.write_text(ROBOT)
    assert [joint.lower for joint in RobotDescription.load(file).joints] == [-1.0, -0.5]
    file.write_text(ROBOT.replace(right, wrong))
    with pytest.raises(Refused, match=said):
        RobotDescription.load(file)


@pytest.mark.parametrize("other", ["../base", "sub/base", "3", '"a\\0b"'])
def test_a_file_extends_one_beside_it_and_no_other(other, tmp_path):
    (tmp_path / "robot.yaml").write_text(f"name: robot\nextends: {other}\n")
    with pytest.raises(Refused, match="extends: expected the name of a file in the same folder"):
        RobotDescription.load(tmp_path / "robot.yaml")


def test_patterns_to_leave_out_are_a_list(tmp_path):
    with pytest.raises(Refused, match="without: expected a list of patterns"):
        extend(tmp_path, "without: 3")


def test_a_file_whose_aliases_stand_for_gigabytes_is_refused_at_once_and_in_one_sentence(tmp_path):
    powers = "".join(f"  k{k}: &b{k} [{','.join([f'*b{k - 1}'] * 10)}]\n" for k in range(1, 9))
    (tmp_path / "bomb.yaml").write_text(f"name: r\nrate_hz: 50\nhardware:\n  zz: &b0 [lololololol]\n{powers}"
                                        "joints:\n  j: {unit: *b8, quantity: position}\n")
    begun = time.monotonic()
    with pytest.raises(Refused, match="aliases") as refused:
        RobotDescription.load(tmp_path / "bomb.yaml")
    assert len(str(refused.value)) < 500 and time.monotonic() - begun < 5.0


@pytest.mark.parametrize("text", ["joints: &a {x: *a}", "a: " + "[" * 3000, "a: 2001-99-99"])
def test_a_text_that_yaml_stumbles_over_is_refused_in_one_sentence(text, tmp_path):
    (tmp_path / "robot.yaml").write_text(text)
    with pytest.raises(Refused, match="readable YAML") as refused:
        RobotDescription.load(tmp_path / "robot.yaml")
    assert len(str(refused.value)) < 500
