# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Limits belong to the robot: a bundle may tighten them and never loosen them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.guard import GuardSettings, MotionSettings
from mat_ros.core.robot.joints import Joint
from mat_ros.core.robot.limits import rules, ruling_joints

TRAINED = Joint("elbow", "position", "rad", -1.0, 1.0, 10.0, 5.0, 0.5, 0.1, 0.0, "hold", 2.0)


def robot(**changes: object) -> RobotDescription:
    fields = {"quantity": "position", "unit": "rad", "lower": -1.0, "upper": 1.0, "rate": 10.0, "effort": 5.0,
              "scale": 0.5, "offset": 0.1, "default": 0.0, "fallback": "hold", "stiffness": 2.0, **changes}
    return RobotDescription.from_dict({"name": "arm", "rate_hz": 50, "joints": {"elbow": fields}})


@pytest.mark.parametrize(("field", "stricter", "looser"), [
    ("lower", -0.5, -9.0), ("upper", 0.5, 9.0), ("rate", 0.001, 99.0), ("effort", 0.1, 50.0)])
def test_the_stricter_limit_rules_whoever_gives_it(field: str, stricter: float, looser: float):
    (held,) = ruling_joints([TRAINED], robot(**{field: stricter}))
    assert getattr(held, field) == stricter
    (held,) = ruling_joints([TRAINED], robot(**{field: looser}))
    assert getattr(held, field) == getattr(TRAINED, field)


def test_rest_belongs_to_the_robot_and_what_actions_mean_to_the_policy():
    (held,) = ruling_joints([TRAINED], robot(default=0.3, fallback="default", scale=9.0))
    assert (held.default, held.fallback, held.scale, held.offset) == (0.3, "default", 0.5, 0.1)


def test_without_a_robot_file_the_robot_that_the_policy_was_trained_on_rules():
    assert ruling_joints([TRAINED], None) == (TRAINED,)


@pytest.mark.parametrize(("changes", "message"), [
    ({"lower": 1.5, "upper": 2.0, "default": 1.6}, r"joint elbow, limits: expected some of the bundle's \[-1.0, 1.0\]"),
    ({"lower": -9.0, "upper": 9.0, "default": 5.0}, r"joint elbow, default: expected a value in the limits that rule")])
def test_limits_that_cannot_both_hold_are_refused(changes: dict[str, float], message: str):
    with pytest.raises(Refused, match=message):
        ruling_joints([TRAINED], robot(**changes))


def test_both_columns_are_told_with_the_one_that_rules():
    found = {rule.field: (rule.robot, rule.bundle, rule.ruling, rule.ruler)
             for rule in rules([TRAINED], robot(rate=0.001, effort=50.0))}
    assert found["rate"] == (0.001, 10.0, 0.001, "robot")
    assert found["effort"] == (50.0, 5.0, 5.0, "bundle")
    assert found["upper"] == (1.0, 1.0, 1.0, "both")


def test_a_joint_that_the_robot_lacks_is_refused():
    with pytest.raises(Refused, match=r"robot arm: expected the joints \['wrist'\], got no \['wrist'\]"):
        ruling_joints([replace(TRAINED, name="wrist")], robot())


def test_the_guard_of_a_robot_file_is_read_and_its_mistakes_are_refused():
    joint = {"quantity": "position", "unit": "rad", "lower": -1, "upper": 1, "rate": 1, "effort": 1, "scale": 1,
             "offset": 0, "default": 0, "fallback": "hold"}
    data = {"name": "arm", "rate_hz": 50, "joints": {"a": joint}}
    assert RobotDescription.from_dict(data).guard == GuardSettings()
    assert RobotDescription.from_dict({**data, "guard": {"hold_ticks": 1, "stop_all": False}}).guard.hold_ticks == 1
    watched = RobotDescription.from_dict({**data, "guard": {"motion": {"watch": "all", "error": 0, "stall_s": 2}}})
    assert watched.guard.motion == MotionSettings("all", error=0, stall_s=2)
    for wrong, message in (({"hold": 1}, "guard: expected a mapping with some of"), ([], "guard: expected a mapping"),
                           ({"hold_ticks": 1.5}, "guard, hold_ticks: expected a whole number, got 1.5"),
                           ({"stop_all": 1}, "guard, stop_all: expected true or false, got 1"),
                           ({"agree_samples": 1}, "guard, agree_samples: expected a number of at least 2, got 1"),
                           ({"motion": {"watch": "some"}}, r"guard, motion, watch: expected one of \('real', 'all', "),
                           ({"motion": {"error": -1}}, "guard, motion, error: expected a number of at least 0, got -1"),
                           ({"motion": {"speed": True}}, "guard, motion, speed: expected a number, got True"),
                           ({"motion": {"lag": 1}}, "guard, motion: expected a mapping with some of"),
                           ({"motion": 1}, "guard, motion: expected a mapping with some of")):
        with pytest.raises(Refused, match=message):
            RobotDescription.from_dict({**data, "guard": wrong})
