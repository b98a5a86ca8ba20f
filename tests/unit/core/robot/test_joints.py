# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Joints are described by name and unit; a mistake is refused with the field that is wrong."""

import numpy as np
import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.robot.joints import ActionMap, Joint, JointMap

ELBOW = {"name": "elbow", "quantity": "position", "unit": "rad", "lower": -1.0, "upper": 2.0, "rate": 3.0,
         "effort": 4.0, "scale": 1.5, "offset": 0.5, "default": 0.0, "fallback": "hold"}


@pytest.mark.parametrize(("field", "value"), [
    ("unit", "deg"), ("quantity", "torque"), ("lower", 3.0), ("upper", float("nan")), ("default", 2.5), ("rate", 0.0),
    ("effort", -1.0), ("scale", 0.0), ("fallback", "wave"),
])
def test_a_joint_with_a_wrong_field_is_refused_by_name(field, value):
    with pytest.raises(Refused, match=r"joint elbow.*expected.*got"):
        Joint.from_dict({**ELBOW, field: value})


def test_a_joint_whose_fallback_command_is_outside_its_limits_is_refused():
    with pytest.raises(Refused, match="fallback"):
        Joint.from_dict({**ELBOW, "lower": 0.5, "default": 0.6, "fallback": "zero"})


def test_unknown_and_absent_fields_are_named():
    with pytest.raises(Refused, match="stifness"):
        Joint.from_dict({**ELBOW, "stifness": 1.0})
    with pytest.raises(Refused, match="unit"):
        Joint.from_dict({k: v for k, v in ELBOW.items() if k != "unit"})


def test_a_joint_reads_back_equal_from_its_plain_values():
    joint = Joint.from_dict({**ELBOW, "scale": 0.1 + 0.2})
    assert Joint.from_dict(joint.to_dict()) == joint


def joints(*names):
    return [Joint.from_dict({**ELBOW, "name": name, "offset": 0.1 * k}) for k, name in enumerate(names)]


def test_actions_reach_joints_by_name_whatever_the_order_of_agents():
    command_order = joints("a", "b", "c")
    split = ActionMap(command_order, [("c",), ("b", "a")])
    command = split.to_command(np.array([[0.1, 9.0], [0.2, 0.3]]))  # 9.0 is padding and must move nothing
    np.testing.assert_allclose(command, [1.5 * 0.3 + 0.0, 1.5 * 0.2 + 0.1, 1.5 * 0.1 + 0.2])
    np.testing.assert_array_equal(split.mask, [[True, False], [True, True]])


def test_a_split_that_forgets_or_repeats_a_joint_is_refused():
    with pytest.raises(Refused, match="b"):
        ActionMap(joints("a", "b"), [("a",)])
    with pytest.raises(Refused, match="a"):
        ActionMap(joints("a", "b"), [("a",), ("a", "b")])


def test_a_coupled_hardware_joint_is_a_sum_of_policy_joints():
    shadow = JointMap.from_dict(("FFJ1", "FFJ0"), {"rh_J0": {"of": {"FFJ1": 1.0, "FFJ0": 1.0}},
                                                   "rh_FFJ1": {"of": "FFJ0", "offset": 0.1}})
    np.testing.assert_allclose(shadow.to_hardware(np.array([0.3, 0.5])), [0.8, 0.6])
    np.testing.assert_allclose(shadow.to_policy(np.array([0.8, 0.6])), [0.3, 0.5])


def test_a_map_that_loses_a_policy_joint_is_refused_by_name():
    with pytest.raises(Refused, match="FFJ0"):
        JointMap.from_dict(("FFJ1", "FFJ0"), {"rh_FFJ1": {"of": "FFJ1"}, "rh_FFJ2": {"of": "FFJ1"}})
