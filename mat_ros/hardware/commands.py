# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Send commands in the message types of a robot's controllers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mat_ros.core.robot.topics import EACH_JOINT
from mat_ros.hardware.io import Float
from mat_ros.hardware.link import RobotLink

Send = Callable[[Float], None]  # takes a command (hardware joint,)


def forward_commands(link: RobotLink, topic: str, joints: Sequence[str], period_ns: int) -> Send:
    """Return a sender for ros2_control's forward command controllers, whose `joints` have to be in this order."""
    return link.floats(topic or "/forward_position_controller/commands")


def trajectory_commands(link: RobotLink, topic: str, joints: Sequence[str], period_ns: int) -> Send:
    """Return a sender for ros2_control's joint trajectory controller: one point per tick, to reach by the next tick."""
    send = link.trajectory(topic or "/joint_trajectory_controller/joint_trajectory", joints)
    return lambda values: send(values, period_ns)


def shadow_commands(link: RobotLink, topic: str, joints: Sequence[str], period_ns: int) -> Send:
    """Return a sender for the Shadow Hand's position controllers: one controller per joint."""
    pattern = topic or "/sh_{joint}_position_controller/command"
    sends = [link.float(pattern.replace(EACH_JOINT, joint.lower())) for joint in joints]

    def send(values: Float) -> None:
        for one, value in zip(sends, values.tolist(), strict=True):
            one(value)

    return send


COMMANDS: Mapping[str, Callable[[RobotLink, str, Sequence[str], int], Send]] = {
    "ros2_control": forward_commands, "trajectory": trajectory_commands, "shadow": shadow_commands}
