# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define what an adapter needs of ROS: standard messages out and in, as plain numbers. A test has a link of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mat_ros.hardware.io import Float


@dataclass(frozen=True)
class JointStates:
    """A sensor_msgs/JointState: any joints, in any order; what is not reported is empty."""

    names: Sequence[str]
    position: Sequence[float]
    velocity: Sequence[float]
    effort: Sequence[float]
    stamp_ns: int  # when it was measured, in the clock of the robot; 0: unknown


@dataclass(frozen=True)
class Pose:
    """A geometry_msgs/PoseStamped."""

    position: tuple[float, float, float]  # x, y, z in m
    orientation: tuple[float, float, float, float]  # x, y, z, w
    stamp_ns: int


class RobotLink(Protocol):
    """A way to a robot's topics."""

    def now_ns(self) -> int:
        """Return the time in the clock of the stamps."""
        ...

    def floats(self, topic: str) -> Callable[[Float], None]:
        """Send std_msgs/Float64MultiArray."""
        ...

    def float(self, topic: str) -> Callable[[float], None]:
        """Send std_msgs/Float64."""
        ...

    def trajectory(self, topic: str, joints: Sequence[str]) -> Callable[[Float, int], None]:
        """Send trajectory_msgs/JointTrajectory of one point, to be reached after so many ns."""
        ...

    def hear_joints(self, topic: str, handler: Callable[[JointStates], None]) -> None:
        """Hear sensor_msgs/JointState."""
        ...

    def hear_pose(self, topic: str, handler: Callable[[Pose], None]) -> None:
        """Hear geometry_msgs/PoseStamped."""
        ...
