# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Send to and receive from a robot's topics through a node."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from std_msgs.msg import Float64, Float64MultiArray

from mat_ros.core.errors import Missing
from mat_ros.core.shipped import install_command
from mat_ros.hardware.io import Float
from mat_ros.hardware.link import Heard, JointStates

COMMANDS = QoSProfile(depth=1)  # an old command is useless
GOALS = QoSProfile(depth=1)
UNMEASURED = -1.0  # first number of the covariance of a quantity that an Imu does not measure
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

    def hear(self, kind: str, topic: str, handler: Callable[[Heard], None]) -> None:
        """Pass each message of a topic to `handler`; the kind of its source sets the type of its messages."""
        package, name, values = MESSAGES[kind]
        try:
            message = getattr(importlib.import_module(f"{package}.msg"), name)
        except ImportError as error:
            raise Missing(f"the ROS package {package} with the type of {topic}", f"run {install_command('ros')}, or "
                          f"apt install ros-$ROS_DISTRO-{package.replace('_', '-')} beside a ROS from apt") from error

        def heard(m: Any) -> None:
            header = getattr(m, "header", None)
            handler(Heard(values(m), *(() if header is None else (_ns(header.stamp), header.frame_id))))

        # A goal is sent once and has to arrive. Of a measurement, the next message comes soon.
        self._node.create_subscription(message, topic, heard, GOALS if kind == "goal" else qos_profile_sensor_data)


def _pose(m: Any) -> dict[str, tuple[float, ...]]:
    return {"position": _xyz(m.pose.position), "orientation": _xyzw(m.pose.orientation)}


def _odometry(m: Any) -> dict[str, tuple[float, ...]]:
    return {**_pose(m.pose), **_twist(m.twist.twist)}


def _imu(m: Any) -> dict[str, tuple[float, ...]]:
    measured = {"orientation": (_xyzw(m.orientation), m.orientation_covariance),
                "rate": (_xyz(m.angular_velocity), m.angular_velocity_covariance),
                "acceleration": (_xyz(m.linear_acceleration), m.linear_acceleration_covariance)}
    return {name: values for name, (values, covariance) in measured.items() if covariance[0] != UNMEASURED}


def _twist(m: Any) -> dict[str, tuple[float, ...]]:
    return {"velocity": _xyz(m.linear), "rate": _xyz(m.angular)}


def _joy(m: Any) -> dict[str, tuple[float, ...]]:
    return {"axes": tuple(m.axes), "buttons": tuple(map(float, m.buttons))}


def _xyz(v: Any) -> tuple[float, ...]:
    return v.x, v.y, v.z


def _xyzw(q: Any) -> tuple[float, ...]:
    return q.x, q.y, q.z, q.w


MESSAGES: Mapping[str, tuple[str, str, Callable[[Any], dict[str, tuple[float, ...]]]]] = {
    "pose": ("geometry_msgs", "PoseStamped", _pose), "goal": ("geometry_msgs", "PoseStamped", _pose),
    "odometry": ("nav_msgs", "Odometry", _odometry), "imu": ("sensor_msgs", "Imu", _imu),
    "twist": ("geometry_msgs", "Twist", _twist), "joy": ("sensor_msgs", "Joy", _joy)}


def _ns(stamp: Any) -> int:
    return int(stamp.sec) * SECOND_NS + int(stamp.nanosec)
