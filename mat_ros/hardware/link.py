# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define what an adapter needs of ROS: send and receive standard messages as numbers. Tests have their own link."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mat_ros.hardware.io import Float


@dataclass(frozen=True)
class JointStates:
    """A sensor_msgs/JointState: any joints, in any order; a quantity that is not reported is empty."""

    names: Sequence[str]
    position: Sequence[float]
    velocity: Sequence[float]
    effort: Sequence[float]
    stamp_ns: int  # time of the measurement, in the clock of the robot; 0: unknown


@dataclass(frozen=True)
class Heard:
    """Any other message: its numbers by quantity. A quantity that the sender does not measure is left out."""

    values: Mapping[str, tuple[float, ...]]  # position x, y, z in m; orientation x, y, z, w; velocity, rate, ... in SI
    stamp_ns: int = 0
    frame: str = ""  # of the header


class RobotLink(Protocol):
    """A connection to a robot's topics."""

    def now_ns(self) -> int:
        """Return the present time in the clock of the stamps."""
        ...

    def steady_ns(self) -> int:
        """Return the time of a clock that never stops and is never set."""
        ...

    def floats(self, topic: str) -> Callable[[Float], None]:
        """Return a function that sends std_msgs/Float64MultiArray."""
        ...

    def float(self, topic: str) -> Callable[[float], None]:
        """Return a function that sends std_msgs/Float64."""
        ...

    def trajectory(self, topic: str, joints: Sequence[str]) -> Callable[[Float, int], None]:
        """Return a function that sends a trajectory_msgs/JointTrajectory of one point, to reach after a time in ns."""
        ...

    def hear_joints(self, topic: str, handler: Callable[[JointStates], None]) -> None:
        """Pass each sensor_msgs/JointState to `handler`."""
        ...

    def hear(self, kind: str, topic: str, handler: Callable[[Heard], None]) -> None:
        """Pass each message of a topic to `handler`; the kind of its source sets the type of its messages."""
        ...
