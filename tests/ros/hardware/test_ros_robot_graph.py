# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A graph drives the fake robot of *Drive a ROS robot* over its topics, and receives every kind of message."""

from __future__ import annotations

import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="needs the ros extra")
pytest.importorskip("mat_ros.msg", reason="needs compiled messages")

import rclpy
from geometry_msgs.msg import PoseStamped, Twist
from sensor_msgs.msg import Imu, JointState, Joy

from mat_ros.core.tick.latch import STATE
from mat_ros.graph.deployment import check_start, plan_bundle
from mat_ros.graph.launcher import Supervisor
from mat_ros.graph.settings import LaunchSettings
from mat_ros.hardware import ros_link
from mat_ros.hardware.ros_link import RosLink
from support.driven_graph import BUNDLE
from support.graph_run import Listener
from support.places import BUNDLES, ROOT

pytestmark = pytest.mark.ros

FAKE_ROBOT = ROOT / "docs/how-to/ros_robot/fake_robot.py"
JOINTS = [joint.name for joint in BUNDLE.manifest.joints]
OWN = """
extends: robot
name: patient
guard: {silence_ticks: 25, motion: {watch: none}}  # a busy machine may delay the gate; the policy is a random one
hardware: {ros2_control: {state_topic: /fake/joint_states}}
"""


def test_the_fake_robot_of_the_page_moves_by_the_topics_of_its_file_and_of_the_launch(tmp_path, monkeypatch):
    (tmp_path / "robot.yaml").write_text((BUNDLES / "robot.yaml").read_text())
    (tmp_path / "own.yaml").write_text(OWN)
    monkeypatch.setenv(STATE, str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    settings = LaunchSettings(policy=str(BUNDLE.folder), wiring="central", sim="none", hardware="ros2_control",
                              robot=str(tmp_path / "own.yaml"),
                              command_topic="/fake/forward_position_controller/commands")
    planned = plan_bundle(settings, BUNDLE)
    check_start(planned)
    reached: list[float] = []
    listener, lines = Listener(), list[str]()
    listener.node.create_subscription(JointState, "/fake/joint_states",
                                      lambda m: reached.append(max(map(abs, m.position))), 10)
    robot = subprocess.Popen([sys.executable, FAKE_ROBOT, *JOINTS, "--ros-args", "-r", "__ns:=/fake"])
    try:
        with Supervisor(planned.graph, lambda name, line: lines.append(f"{name}: {line}")) as supervisor:
            give_up = time.monotonic() + 60.0
            while max(reached, default=0.0) < 0.05 and time.monotonic() < give_up:
                supervisor.pump(0.05)
                listener.executor.spin_once(timeout_sec=0.05)
        assert max(reached, default=0.0) >= 0.05, lines[-20:]
    finally:
        robot.kill()
        robot.wait()
        listener.close()


def stamped(message, frame="base"):
    message.header.frame_id, message.header.stamp.sec = frame, 5
    return message


def pose():
    message = stamped(PoseStamped())
    message.pose.position.x, message.pose.orientation.w = 1.0, 1.0
    return message


def imu():
    message = stamped(Imu())
    message.angular_velocity.z = 0.5
    message.orientation_covariance[0] = -1.0
    return message


def twist():
    message = Twist()
    message.linear.x, message.angular.z = 0.25, 0.5
    return message


@pytest.mark.parametrize(("kind", "make", "values", "frame"), [
    ("pose", pose, {"position": (1.0, 0.0, 0.0), "orientation": (0.0, 0.0, 0.0, 1.0)}, "base"),
    ("goal", pose, {"position": (1.0, 0.0, 0.0), "orientation": (0.0, 0.0, 0.0, 1.0)}, "base"),
    ("imu", imu, {"rate": (0.0, 0.0, 0.5), "acceleration": (0.0, 0.0, 0.0)}, "base"),
    ("twist", twist, {"velocity": (0.25, 0.0, 0.0), "rate": (0.0, 0.0, 0.5)}, ""),
    ("joy", lambda: stamped(Joy(axes=[0.5, -1.0], buttons=[0, 1])),
     {"axes": (0.5, -1.0), "buttons": (0.0, 1.0)}, "base"),
])
def test_every_kind_of_message_arrives_as_numbers_with_its_frame_and_its_stamp(kind, make, values, frame):
    listener, heard = Listener(f"link_{kind}"), []
    RosLink(listener.node).hear(kind, "topic", heard.append)
    message = make()
    publisher = listener.node.create_publisher(type(message), "topic", 1)
    give_up = time.monotonic() + 20.0
    while not heard and time.monotonic() < give_up:
        publisher.publish(message)
        listener.executor.spin_once(timeout_sec=0.05)
    listener.close()
    assert heard[0].values == values and heard[0].frame == frame
    assert heard[0].stamp_ns == (0 if kind == "twist" else 5 * 10**9)


def test_odometry_has_its_pose_in_one_frame_and_its_speed_in_another():
    def xyz(x):
        return SimpleNamespace(x=x, y=0.0, z=0.0)

    pose_ = SimpleNamespace(position=xyz(1.0), orientation=SimpleNamespace(x=0.0, y=0.0, z=0.0, w=1.0))
    message = SimpleNamespace(pose=SimpleNamespace(pose=pose_), twist=SimpleNamespace(
        twist=SimpleNamespace(linear=xyz(2.0), angular=xyz(3.0))))
    assert ros_link.MESSAGES["odometry"][2](message) == {
        "position": (1.0, 0.0, 0.0), "orientation": (0.0, 0.0, 0.0, 1.0), "velocity": (2.0, 0.0, 0.0),
        "rate": (3.0, 0.0, 0.0)}


def test_the_observer_refuses_a_term_without_a_topic_once_and_stays(tmp_path):
    from mat_ros.nodes.observer import ObserverNode

    rclpy.init()
    try:
        node = ObserverNode(parameter_overrides=[
            rclpy.parameter.Parameter("policy", value="dexhands_door_mat"),
            rclpy.parameter.Parameter("hardware", value="ros2_control")], namespace="/alone")
        assert "add poses:=fingertip=/TOPIC" in node.reason and not node.configured
        assert node.facts() == {}
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
