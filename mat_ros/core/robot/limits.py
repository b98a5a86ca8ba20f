# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Find the limits that the gate holds: of the robot file's limits and the policy's, the stricter ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mat_ros.core.errors import Refused
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.joints import Joint

ROBOTS_OWN = ("default", "fallback")  # the robot file alone sets where a joint rests


@dataclass(frozen=True)
class Rule:
    """One limit of one joint, as the robot file and the bundle give it."""

    joint: str
    field: str
    robot: float | str
    bundle: float | str
    ruling: float | str  # what the gate holds

    @property
    def ruler(self) -> str:
        """Return who sets the limit: robot, bundle, or both where they agree."""
        if self.robot == self.bundle:
            return "both"
        return "robot" if self.ruling == self.robot else "bundle"


def ruling_joints(trained: Sequence[Joint], robot: RobotDescription | None) -> tuple[Joint, ...]:
    """Return the joints with the limits that the gate holds, in the order of the policy.

    Without a robot file these are the joints of the bundle, on which the policy was trained.
    """
    if robot is None:
        return tuple(trained)
    own = {joint.name: joint for joint in robot.joints}
    if absent := [joint.name for joint in trained if joint.name not in own]:
        raise Refused(f"robot {robot.name}", f"the joints {[joint.name for joint in trained]}", f"no {absent}",
                      "choose the robot of the policy")
    return tuple(_stricter(own[joint.name], joint) for joint in trained)


def rules(trained: Sequence[Joint], robot: RobotDescription | None) -> list[Rule]:
    """Return every limit with both columns and the value that rules."""
    ruling = ruling_joints(trained, robot)
    own = {joint.name: joint for joint in robot.joints} if robot is not None else {}
    return [Rule(mine.name, field, getattr(own.get(mine.name, mine), field), getattr(mine, field),
                 getattr(held, field))
            for mine, held in zip(trained, ruling, strict=True)
            for field in ("lower", "upper", "rate", "effort", "stiffness", *ROBOTS_OWN)]


def _stricter(robot: Joint, bundle: Joint) -> Joint:
    """Return the robot's joint with each limit no looser than the bundle's, and the bundle's way to command it."""
    lower, upper = max(robot.lower, bundle.lower), min(robot.upper, bundle.upper)
    if not lower < upper:
        raise Refused(f"joint {robot.name}, limits", f"some of the bundle's [{bundle.lower}, {bundle.upper}]",
                      f"[{robot.lower}, {robot.upper}] in the robot file", "correct the robot file, or train within it")
    if not lower <= robot.default <= upper:
        raise Refused(f"joint {robot.name}, default", f"a value in the limits that rule, [{lower}, {upper}]",
                      robot.default, "correct the robot file")
    return replace(robot, lower=lower, upper=upper, rate=min(robot.rate, bundle.rate),
                   effort=min(robot.effort, bundle.effort), scale=bundle.scale, offset=bundle.offset,
                   stiffness=robot.stiffness if math.isfinite(robot.effort) and robot.stiffness > 0.0
                   else bundle.stiffness)
