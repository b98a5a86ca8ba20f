# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Stand in for a robot on ROS: `python fake_robot.py JOINT ... [--goal X Y]`."""

import argparse
import contextlib

import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

RATE_HZ, SPEED_RAD = 100.0, 4.0  # reports per second, and the largest speed of a joint in rad/s


class FakeRobot(Node):
    """Joints that turn towards the last command, and report where they are."""

    def __init__(self, joints, goal):
        super().__init__("fake_robot")
        self.joints, self.goal = joints, goal
        self.angles, self.wanted = [0.0] * len(joints), [0.0] * len(joints)
        self.states = self.create_publisher(JointState, "joint_states", 10)
        self.goals = self.create_publisher(PoseStamped, "goal_pose", 1)
        self.create_subscription(Float64MultiArray, "forward_position_controller/commands", self.command, 1)
        self.create_timer(1.0 / RATE_HZ, self.turn)

    def command(self, message):
        self.wanted = list(message.data)

    def turn(self):
        step, now = SPEED_RAD / RATE_HZ, self.get_clock().now().to_msg()
        self.angles = [at + max(-step, min(step, to - at)) for at, to in zip(self.angles, self.wanted, strict=True)]
        report = JointState(name=self.joints, position=self.angles, velocity=[0.0] * len(self.joints))
        report.header.stamp = now
        self.states.publish(report)
        if self.goal:
            goal = PoseStamped()
            goal.header.stamp, goal.header.frame_id, goal.pose.orientation.w = now, "base_link", 1.0
            goal.pose.position.x, goal.pose.position.y = self.goal
            self.goals.publish(goal)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("joints", nargs="+")
    parser.add_argument("--goal", nargs=2, type=float)
    given, ros_arguments = parser.parse_known_args()
    rclpy.init(args=ros_arguments)
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(FakeRobot(given.joints, given.goal))
