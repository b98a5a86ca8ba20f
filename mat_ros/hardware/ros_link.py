# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Send to and receive from a robot's topics through a node."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from std_msgs.msg import Float64, Float64MultiArray

from mat_ros.hardware.io import Float
from mat_ros.hardware.link import JointStates, Pose

COMMANDS = QoSProfile(depth=1)  # an old command is useless
SECOND_NS = 1_000_000_000


class RosLink:
    """Implement `mat_ros.hardware.link.RobotLink` with a node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def now_ns(self) -> int:
        """Return ROS time, which is simulated time where the node uses simulated time."""
        return int(self._node.get_clock().now().nanoseconds)

    def steady_ns(self) -> int:
        """Return monotonic time: simulated time stops with its simulator."""
        return time.monotonic_ns()

    def floats(self, topic: str) -> Callable[[Float], None]:
        """Return a function that sends std_msgs/Float64MultiArray."""
        publisher = self._node.create_publisher(Float64MultiArray, topic, COMMANDS)
        return lambda values: publisher.publish(Float64MultiArray(data=values.tolist()))

    def float(self, topic: str) -> Callable[[float], None]:
        """Return a function that sends std_msgs/Float64."""
        publisher = self._node.create_publisher(Float64, topic, COMMANDS)
        return lambda value: publisher.publish(Float64(data=value))

    def trajectory(self, topic: str, joints: Sequence[str]) -> Callable[[Float, int], None]:
        """Return a function that sends trajectory_msgs/JointTrajectory."""
        from builtin_interfaces.msg import Duration
        from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

        publisher = self._node.create_publisher(JointTrajectory, topic, COMMANDS)

        def send(values: Float, duration_ns: int) -> None:
            sec, nanosec = divmod(duration_ns, SECOND_NS)
            point = JointTrajectoryPoint(positions=values.tolist(),
                                         time_from_start=Duration(sec=sec, nanosec=nanosec))
            publisher.publish(JointTrajectory(joint_names=list(joints), points=[point]))

        return send

    def hear_joints(self, topic: str, handler: Callable[[JointStates], None]) -> None:
        """Pass each sensor_msgs/JointState to `handler`."""
        from sensor_msgs.msg import JointState

        self._node.create_subscription(
            JointState, topic,
            lambda m: handler(JointStates(m.name, m.position, m.velocity, m.effort, _ns(m.header.stamp))),
            qos_profile_sensor_data)

    def hear_pose(self, topic: str, handler: Callable[[Pose], None]) -> None:
        """Pass each geometry_msgs/PoseStamped to `handler`."""
        from geometry_msgs.msg import PoseStamped

        def heard(m: Any) -> None:
            p, q = m.pose.position, m.pose.orientation
            handler(Pose((p.x, p.y, p.z), (q.x, q.y, q.z, q.w), _ns(m.header.stamp)))

        self._node.create_subscription(PoseStamped, topic, heard, qos_profile_sensor_data)


def _ns(stamp: Any) -> int:
    return int(stamp.sec) * SECOND_NS + int(stamp.nanosec)
