# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""What every robot has to be, whichever adapter reaches it; and what each adapter says on its topics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.core.robot.joints import JointMap
from mat_ros.core.shipped import policy_folder
from mat_ros.hardware.commands import COMMANDS
from mat_ros.hardware.fake import FakeBus
from mat_ros.hardware.link import JointStates, Pose
from mat_ros.hardware.open import find_guard
from mat_ros.hardware.ros_robot import FUTURE_NS, RobotTopics, RosRobot
from support.places import BUNDLES, ROOT

ADAPTERS = ("fake", *COMMANDS)


@dataclass
class FakeLink:
    """Topics as a list of what was sent, and a way to speak as the robot."""

    time_ns: int = 10**12
    stopped_ns: int | None = None  # the time at which the simulator, and with it ROS time, has stopped
    sent: list[tuple] = field(default_factory=list)
    joints: Callable[[JointStates], None] | None = None
    poses: dict[str, Callable[[Pose], None]] = field(default_factory=dict)

    def now_ns(self):
        return self.time_ns if self.stopped_ns is None else self.stopped_ns

    def steady_ns(self):
        return self.time_ns

    def floats(self, topic):
        return lambda values: self.sent.append((topic, tuple(values.tolist())))

    def float(self, topic):
        return lambda value: self.sent.append((topic, value))

    def trajectory(self, topic, joints):
        return lambda values, duration_ns: self.sent.append((topic, tuple(joints), tuple(values.tolist()), duration_ns))

    def hear_joints(self, topic, handler):
        self.joints = handler

    def hear_pose(self, topic, handler):
        self.poses[topic] = handler


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return Bundle.load(BUNDLES / "rwkv4").manifest


def states(names, positions, stamp_ns, velocities=None) -> JointStates:
    velocities = [0.0] * len(names) if velocities is None else velocities
    return JointStates(list(names), list(positions), list(velocities), [], stamp_ns)


def connected(manifest: Manifest, adapter: str, robot: RobotDescription | None = None):
    """Open an adapter whose robot has reported once."""
    if adapter == "fake":
        return FakeBus(manifest), None
    link = FakeLink()
    hardware = RosRobot(link, manifest, adapter, robot, RobotTopics())
    hardware.listen()
    link.joints(states([joint.name for joint in manifest.joints], [0.1, 0.2, 0.3, 0.4], link.time_ns))
    return hardware, link


@pytest.mark.parametrize("adapter", ADAPTERS)
class TestEveryAdapter:
    def test_describes_the_joints_of_the_policy_in_command_order(self, manifest, adapter):
        description = connected(manifest, adapter)[0].describe()
        assert description.joints == tuple(joint.name for joint in manifest.joints)
        assert description.period_ns == manifest.period_ns
        assert (description.lower < description.upper).all()

    def test_reads_every_term_of_the_policy_as_finite_float32(self, manifest, adapter):
        reading = connected(manifest, adapter)[0].read()
        assert reading.signals.dtype == np.float32
        assert reading.signals.shape == (manifest.layout.signal_count,)
        assert np.isfinite(reading.signals).all()

    @pytest.mark.parametrize("command", [np.zeros(3), np.array([0.0, np.nan, 0.0, 0.0]), np.zeros((1, 4))])
    def test_refuses_a_command_that_no_gate_lets_through(self, manifest, adapter, command):
        hardware, link = connected(manifest, adapter)
        with pytest.raises(Refused, match="4 finite values"):
            hardware.write(command)
        assert link is None or link.sent == []

    def test_takes_a_command_and_lets_go_of_the_robot(self, manifest, adapter):
        hardware, link = connected(manifest, adapter)
        hardware.write(np.array([0.1, 0.2, 0.3, 0.4]))
        hardware.close()
        assert len(link.sent) > 0 if link is not None else hardware.written.tolist() == [0.1, 0.2, 0.3, 0.4]


def test_the_forward_controller_hears_all_joints_in_one_array(manifest):
    hardware, link = connected(manifest, "ros2_control")
    hardware.write(np.array([0.1, 0.2, 0.3, 0.4]))
    assert link.sent == [("/forward_position_controller/commands", (0.1, 0.2, 0.3, 0.4))]


def test_the_trajectory_controller_hears_names_and_when_to_be_there(manifest):
    hardware, link = connected(manifest, "trajectory")
    hardware.write(np.array([0.1, 0.2, 0.3, 0.4]))
    names = tuple(joint.name for joint in manifest.joints)
    assert link.sent == [("/joint_trajectory_controller/joint_trajectory", names, (0.1, 0.2, 0.3, 0.4),
                          manifest.period_ns)]


def test_a_trajectory_takes_as_long_as_a_tick_at_the_rate_of_the_launch(manifest):
    link = FakeLink()
    RosRobot(link, manifest, "trajectory", None, RobotTopics(), 10 * manifest.period_ns).write(np.zeros(4))
    assert link.sent[0][-1] == 10 * manifest.period_ns


def test_each_joint_of_a_shadow_hand_hears_its_own_topic(manifest):
    hardware, link = connected(manifest, "shadow")
    hardware.write(np.array([0.1, 0.2, 0.3, 0.4]))
    assert link.sent[0] == ("/sh_shoulder_pan_position_controller/command", 0.1)
    assert len(link.sent) == 4


def renamed(manifest: Manifest) -> RobotDescription:
    """Describe the same arm as a driver that orders, names, signs and offsets its joints otherwise."""
    rows = {"w": {"of": "wrist"}, "e": {"of": {"elbow": -1.0}, "offset": 0.5}, "l": {"of": "shoulder_lift"},
            "p": {"of": "shoulder_pan"}}
    names = [joint.name for joint in manifest.joints]
    maps = {"ros2_control": JointMap.from_dict(names, rows)}
    return RobotDescription("arm", "", manifest.period_ns, manifest.joints, {}, maps)


def test_a_driver_may_name_order_sign_and_offset_joints_otherwise(manifest):
    link = FakeLink()
    hardware = RosRobot(link, manifest, "ros2_control", renamed(manifest), RobotTopics())
    hardware.listen()
    link.joints(states(["x", "e", "p", "l", "w"], [9.0, 0.2, 1.0, 2.0, 4.0], link.time_ns, [9.0, 0.6, 0.1, 0.2, 0.4]))
    position, velocity = np.split(hardware.read().signals, 2)
    assert position == pytest.approx([1.0, 2.0, 0.3, 4.0])
    assert velocity == pytest.approx([0.1, 0.2, -0.6, 0.4])
    hardware.write(np.array([1.0, 2.0, 0.3, 4.0]))
    assert link.sent[0][1] == pytest.approx((4.0, 0.2, 2.0, 1.0))


def test_nothing_is_read_before_every_joint_has_been_heard_in_one_message(manifest):
    link = FakeLink()
    hardware = RosRobot(link, manifest, "ros2_control", None, RobotTopics())
    hardware.listen()
    assert hardware.read() is None
    link.joints(states(["shoulder_pan", "elbow"], [0.0, 0.0], link.time_ns))
    assert hardware.read() is None
    assert hardware.missing() == "joints"


def test_measurements_that_have_grown_old_are_not_read(manifest):
    hardware, link = connected(manifest, "ros2_control")
    assert hardware.read() is not None
    link.time_ns += 4 * manifest.period_ns
    assert hardware.read() is None


def test_old_data_that_is_sent_again_never_looks_fresh(manifest):
    hardware, link = connected(manifest, "ros2_control")
    names = [joint.name for joint in manifest.joints]
    stamp_ns = link.time_ns
    for _ in range(8):
        link.time_ns += manifest.period_ns
        link.joints(states(names, [0.0] * 4, stamp_ns))
    assert hardware.read() is None
    assert hardware.counts["stale"] >= 8


@pytest.mark.parametrize("positions", [[], [9.0] * 3])
def test_a_message_without_every_position_does_not_make_older_ones_look_fresh(manifest, positions):
    hardware, link = connected(manifest, "ros2_control")
    names = [joint.name for joint in manifest.joints]
    for _ in range(4):
        link.time_ns += manifest.period_ns
        link.joints(states(names, positions, link.time_ns, [0.0] * 4))
    assert hardware.read() is None and hardware.missing() == "joints"
    assert hardware.counts == {"incomplete": 4, "stale": 1}


def test_measurements_grow_old_although_ros_time_has_stopped(manifest):
    hardware, link = connected(manifest, "ros2_control")
    link.stopped_ns = link.time_ns
    link.time_ns += 4 * manifest.period_ns
    assert hardware.read() is None


def test_a_stamp_from_the_future_and_a_nan_are_dropped_and_counted(manifest):
    hardware, link = connected(manifest, "ros2_control")
    names = [joint.name for joint in manifest.joints]
    link.joints(states(names, [9.0] * 4, link.time_ns + FUTURE_NS + 1))
    link.joints(states(names, [np.nan] * 4, link.time_ns + 1))
    assert hardware.counts == {"future": 1, "not_finite": 1}
    assert hardware.read().signals[:4] == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_the_stamp_of_the_oldest_measurement_travels_on(manifest):
    hardware, link = connected(manifest, "ros2_control")
    measured_ns = link.time_ns
    link.time_ns += manifest.period_ns
    assert hardware.read().source_ns == measured_ns


def test_a_policy_that_sees_more_than_the_robot_measures_is_refused_with_the_term(manifest):
    from dataclasses import replace

    from mat_ros.core.robot.observe import Layout, Term

    layout = Layout((*manifest.layout.terms, Term("object_position", "m", ("object.x", "object.y", "object.z"))),
                    manifest.layout.views)
    seeing = replace(manifest, layout=layout)
    with pytest.raises(Refused, match="object_position"):
        RosRobot(FakeLink(), seeing, "ros2_control", None, RobotTopics()).listen()
    link = FakeLink()
    hardware = RosRobot(link, seeing, "ros2_control", None, RobotTopics(poses="object=/cup"))
    hardware.listen()
    link.joints(states([joint.name for joint in manifest.joints], [0.0] * 4, link.time_ns))
    assert hardware.missing() == "object"
    link.poses["/cup"](Pose((1.0, 2.0, 3.0), (0.0, 0.0, 0.0, 1.0), link.time_ns))
    assert hardware.read().signals[-3:].tolist() == [1.0, 2.0, 3.0]


def test_the_shadow_hand_is_commanded_by_its_own_names_and_its_coupled_joints_once():
    robot = RobotDescription.load(ROOT / "mat_ros/config/robots/shadow_hand.yaml")
    commanded = robot.hardware["shadow_command"].hardware
    assert "rh_FFJ0" in commanded
    assert len(commanded) == len(robot.joints) == 20


def test_the_guard_of_a_shipped_robot_holds_without_its_name_too():
    hands = Bundle.load(policy_folder("dexhands_door_mat")).manifest
    assert find_guard("", hands) == find_guard("dexhands_door", hands) != GuardSettings()
    assert find_guard("", Bundle.load(BUNDLES / "rwkv4").manifest) == GuardSettings()
