# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The kind, the limbs and the base of a robot follow from its bodies."""

import pytest

from mat_ros.newrobot.actuators import commanded
from mat_ros.newrobot.model_file import read_model
from mat_ros.newrobot.skeleton import skeleton_of
from support.robot_files import DATA, GYMNASIUM, KINDS, arm, gymnasium_robots, other_robots, urdf_arm, urdf_walker

pytestmark = pytest.mark.sim


def skeleton(path):
    file = read_model(path)
    return skeleton_of(file.model, commanded(file), may_hang=file.format == "URDF")


@pytest.mark.parametrize("name", sorted(GYMNASIUM))
def test_the_robots_of_gymnasium_have_their_kinds(name):
    assert skeleton(gymnasium_robots()[name]).kind == GYMNASIUM[name]


@pytest.mark.parametrize("name", sorted(KINDS))
def test_the_robots_of_other_packages_have_their_kinds(name):
    path = other_robots()[name]
    if path is None:
        pytest.skip(f"{name.partition('/')[0]} is not installed")
    found = skeleton(path)
    assert found.kind == KINDS[name]
    if name.partition("/")[2] in DATA and found.kind == "legs":
        assert found.base == "hanging"  # a URDF has no word for a free base


def test_limbs_are_rows_of_joints_without_a_branch_and_have_names_of_their_own():
    limbs = {limb.name: limb.joints for limb in skeleton(gymnasium_robots()["humanoid"]).limbs}
    assert set(limbs) == {"abdomen", "right_thigh", "left_thigh", "right_upper_arm", "left_upper_arm"}
    assert limbs["left_upper_arm"] == ("left_shoulder1", "left_shoulder2", "left_elbow")
    assert len(skeleton(gymnasium_robots()["ant"]).limbs) == 4


def test_an_arm_ends_at_its_tool_or_at_the_far_end_of_its_last_link(tmp_path):
    tool, end = skeleton(urdf_arm(tmp_path)).tip, skeleton(arm(tmp_path)).tip
    assert tool is not None and (tool.body, tool.position) == ("tool", (0.0, 0.0, 0.0))
    assert end is not None and end.body == "stick" and end.position[0] == pytest.approx(0.3, abs=0.01)


def test_a_urdf_that_stands_on_its_limbs_has_a_free_base(tmp_path):
    found = skeleton(urdf_walker(tmp_path))
    assert (found.kind, found.base) == ("legs", "hanging")
    assert [limb.name for limb in found.limbs] == ["front_left", "front_right", "rear_left", "rear_right"]
