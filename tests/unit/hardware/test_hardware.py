# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""What every robot has to be, whichever adapter reaches it; and what each adapter says on its topics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.core.robot.joints import JointMap
from mat_ros.core.robot.observe import Layout, Term
from mat_ros.core.robot.topics import RobotTopics
from mat_ros.core.shipped import policy_folder
from mat_ros.hardware.commands import COMMANDS
from mat_ros.hardware.fake import FakeBus
from mat_ros.hardware.link import Heard, JointStates
from mat_ros.hardware.open import find_guard
from mat_ros.hardware.ros_robot import FUTURE_NS, RosRobot
from support.places import BUNDLES, ROOT

ADAPTERS = ("fake", *COMMANDS)


@dataclass
class FakeLink:
    """Topics as a list of what was sent, and a way to speak as the robot."""

    time_ns: int = 10**12
    stopped_ns: int | None = None  # the time at which the simulator, and with it ROS time, has stopped
    sent: list[tuple] = field(default_factory=list)
    made: list[str] = field(default_factory=list)  # topics of the senders of arrays
    joints: Callable[[JointStates], None] | None = None
    heard: dict[str, Callable[[Heard], None]] = field(default_factory=dict)

    def now_ns(self):
        return self.time_ns if self.stopped_ns is None else self.stopped_ns

    def steady_ns(self):
        return self.time_ns

    def floats(self, topic):
        self.made.append(topic)
        return lambda values: self.sent.append((topic, tuple(values.tolist())))

    def float(self, topic):
        return lambda value: self.sent.append((topic, value))

    def trajectory(self, topic, joints):
        return lambda values, duration_ns: self.sent.append((topic, tuple(joints), tuple(values.tolist()), duration_ns))

    def hear_joints(self, topic, handler):
        self.joints = handler

    def hear(self, kind, topic, handler):
        self.heard[topic] = handler

    def say(self, topic, frame="", stamp_ns=None, **values):
        self.heard[topic](Heard(values, self.time_ns if stamp_ns is None else stamp_ns, frame))


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


def test_the_sender_is_made_before_the_first_command_and_once(manifest):
    hardware, link = connected(manifest, "ros2_control")
    assert link.made == []  # the observer commands nothing
    hardware.prepare()
    assert link.made == ["/forward_position_controller/commands"] and link.sent == []
    hardware.write(np.zeros(4))
    assert len(link.made) == len(link.sent) == 1


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
    assert hardware.missing() == "joints (/joint_states)"


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
    assert hardware.read() is None and hardware.missing() == "joints (/joint_states)"
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


XYZ, XYZW, WXYZ = ("x", "y", "z"), ("x", "y", "z", "w"), ("w", "x", "y", "z")
LEVEL, QUARTER = (0.0, 0.0, 0.0, 1.0), (0.0, 0.0, 0.5**0.5, 0.5**0.5)  # no rotation, and one by 90 degrees about z


def seeing(manifest: Manifest, *terms: Term, robot: RobotDescription | None = None, joy_speed: float = 0.5, **topics):
    """Open a robot on ROS for a policy with more terms. Its joints report in every period."""
    layout = Layout((*manifest.layout.terms, *terms), manifest.layout.views)
    link = FakeLink()
    hardware = RosRobot(link, replace(manifest, layout=layout), "ros2_control", robot,
                        RobotTopics.read("argument", topics), joy_speed=joy_speed)
    hardware.listen()
    return hardware, link


def last(hardware: RosRobot, link: FakeLink, count: int) -> list[float]:
    """Return the last signals after a new report of the joints."""
    link.time_ns += 1
    link.joints(states(["shoulder_pan", "shoulder_lift", "elbow", "wrist"], [0.0] * 4, link.time_ns))
    reading = hardware.read()
    assert reading is not None, hardware.missing()
    return pytest.approx(reading.signals[-count:].tolist(), abs=1e-6)


@pytest.mark.parametrize(("term", "topics", "said"), [
    (Term("object_position", "m", XYZ), {}, r"none for object_position \(x, y, z in m\); add poses:=object=/TOPIC"),
    (Term("target", "m", ("x", "y")), {"poses": "cup=/cup"}, "add goal_topic:=target=/TOPIC, or choose a policy that"),
    (Term("root_velocity", "m/s", XYZ), {"imu": "/imu"}, "add odometry:=/TOPIC"),
    (Term("root_acceleration", "m/s^2", XYZ), {"odometry": "/odom"}, "add imu:=/TOPIC"),
    (Term("command_velocity", "m/s", XYZ), {}, "add command:=command=/TOPIC"),
    (Term("root_velocity", "m/s", ("rootx", "rootz")), {"odometry": "/odom"}, "expected elements named x, y, z, got"),
    (Term("target", "rad", ("x",)), {"poses": "target=/target"}, r"none for target \(x in rad\)"),
    (Term("object_position", "m", XYZ), {"poses": "object=/a,object=/b"}, "object: expected one topic, got /a and /b"),
    (Term("object_position", "m", XYZ), {"poses": "object=/a b"}, "poses: expected the name of a topic in letters"),
    (Term("object_position", "m", XYZ), {"poses": "/a"}, "poses: expected name=topic, separated by commas, got /a"),
    (Term("object_position", "m", XYZ), {"poses": "object=/a", "joy": "/joy"}, "or a goal named command that the"),
])
def test_a_term_that_no_topic_gives_is_refused_with_the_argument_to_add(manifest, term, topics, said):
    with pytest.raises(Refused, match=said):
        seeing(manifest, term, **topics)


def test_a_pose_gives_a_position_an_orientation_and_the_term_of_its_own_name(manifest):
    hardware, link = seeing(manifest, Term("cup_position", "m", ("cup.x", "cup.y", "cup.z")),
                            Term("cup_orientation", "1", WXYZ), Term("target", "m", ("y", "x")),
                            poses="cup=/cup, target=/target")
    link.joints(states(["shoulder_pan", "shoulder_lift", "elbow", "wrist"], [0.0] * 4, link.time_ns))
    assert hardware.missing() == "cup (/cup), target (/target)"
    link.say("/cup", position=(1.0, 2.0, 3.0), orientation=QUARTER)
    link.say("/target", position=(4.0, 5.0, 6.0), orientation=LEVEL)
    assert last(hardware, link, 9) == [1, 2, 3, 0.5**0.5, 0, 0, 0.5**0.5, 5, 4]


def test_a_message_in_another_frame_is_dropped_counted_and_named(manifest):
    hardware, link = seeing(manifest, Term("cup_position", "m", XYZ), poses="cup=/cup@base_link")
    link.say("/cup", frame="map", position=(1.0, 2.0, 3.0), orientation=LEVEL)
    assert "cup (/cup) in the frame 'map', not 'base_link'" in hardware.missing() and hardware.counts["frame"] == 1
    link.say("/cup", frame="base_link", position=(1.0, 2.0, 3.0), orientation=LEVEL)
    assert last(hardware, link, 3) == [1, 2, 3]
    link.say("/cup", frame="base_link", stamp_ns=link.time_ns + 1, position=(9.0,) * 3, orientation=(0.0,) * 4)
    assert hardware.counts["no_rotation"] == 1 and last(hardware, link, 3) == [1, 2, 3]


def test_the_base_has_its_velocity_in_the_frame_of_the_odometry_and_its_rate_in_its_own(manifest):
    terms = (Term("root_height", "m", ("z",)), Term("root_orientation", "1", WXYZ), Term("root_velocity", "m/s", XYZ),
             Term("root_rate", "rad/s", XYZ), Term("root_acceleration", "m/s^2", XYZ))
    hardware, link = seeing(manifest, *terms, odometry="/odom@odom", imu="/imu")
    link.say("/odom", frame="odom", position=(7.0, 8.0, 0.5), orientation=QUARTER, velocity=(1.0, 0.0, 0.0),
             rate=(9.0, 9.0, 9.0))
    link.say("/imu", frame="imu_link", orientation=LEVEL, rate=(0.1, 0.2, 0.3), acceleration=(0.0, 0.0, 9.8))
    assert last(hardware, link, 14) == [0.5, 0.5**0.5, 0, 0, 0.5**0.5, 0, 1, 0, 0.1, 0.2, 0.3, 0, 0, 9.8]
    link.time_ns += 4 * manifest.period_ns
    assert hardware.read() is None and "root (/odom), root (/imu)" in hardware.missing()


def test_an_imu_without_an_orientation_never_gives_one(manifest):
    hardware, link = seeing(manifest, Term("root_orientation", "1", XYZW), imu="/imu")
    link.say("/imu", rate=(0.0,) * 3)
    assert "root (/imu)" in hardware.missing() and hardware.counts["incomplete"] == 1


def test_a_speed_holds_for_half_a_second_and_then_the_robot_is_to_stand(manifest):
    hardware, link = seeing(manifest, Term("command_velocity", "m/s", ("x", "y")),
                            Term("command_rate", "rad/s", ("z",)), command="/cmd_vel")
    assert last(hardware, link, 3) == [0, 0, 0]
    link.say("/cmd_vel", velocity=(0.3, 0.1, 0.0), rate=(0.0, 0.0, 0.5))
    assert last(hardware, link, 3) == [0.3, 0.1, 0.5]
    link.say("/cmd_vel", velocity=(float("nan"),) * 3, rate=(0.0,) * 3)
    assert last(hardware, link, 3) == [0.3, 0.1, 0.5]
    link.time_ns += 600_000_000
    assert last(hardware, link, 3) == [0, 0, 0]


def test_a_goal_holds_until_the_next_one_and_is_awaited_before(manifest):
    hardware, link = seeing(manifest, Term("goal_position", "m", XYZ), goal_topic="/goal@map")
    link.joints(states(["shoulder_pan", "shoulder_lift", "elbow", "wrist"], [0.0] * 4, link.time_ns))
    assert hardware.missing() == "goal (/goal)" and hardware.read() is None
    link.say("/goal", frame="map", position=(1.0, 2.0, 3.0), orientation=LEVEL)
    link.time_ns += 10**12
    assert last(hardware, link, 3) == [1, 2, 3]


def stick(link, pressed, axes, topic="/joy"):
    link.say(topic, axes=(*axes, 0.0, 0.0, 0.0, 0.0), buttons=(0.0,) * 4 + (float(pressed),))


def test_a_joystick_counts_while_its_button_is_held_and_takes_the_place_of_a_speed(manifest):
    hardware, link = seeing(manifest, Term("command_velocity", "m/s", ("x", "y")), command="/cmd_vel", joy="/joy")
    stick(link, False, (1.0, 1.0))
    assert last(hardware, link, 2) == [0, 0]
    stick(link, True, (0.2, 1.0))
    link.say("/cmd_vel", velocity=(9.0, 9.0, 0.0), rate=(0.0,) * 3)
    assert last(hardware, link, 2) == [0.5, 0.1]
    stick(link, False, (0.2, 1.0))
    assert last(hardware, link, 2) == [0, 0]
    link.say("/cmd_vel", velocity=(0.4, 0.0, 0.0), rate=(0.0,) * 3)
    assert last(hardware, link, 2) == [0.4, 0]


def test_a_joystick_moves_the_goal_of_its_name_from_where_it_was_set(manifest):
    hardware, link = seeing(manifest, Term("goal_position", "m", XYZ), goal_topic="/goal", joy="goal=/joy")
    link.say("/goal", position=(1.0, 0.0, 0.0), orientation=LEVEL)
    for _ in range(11):
        stick(link, True, (0.0, 1.0))
        link.time_ns += 50_000_000
    assert last(hardware, link, 3) == [1.25, 0, 0]
    stick(link, False, (0.0, 1.0))
    link.time_ns += 10**10
    stick(link, True, (0.0, 1.0))
    assert last(hardware, link, 3) == [1.25, 0, 0]


def test_the_robot_file_names_topics_and_the_launch_goes_before_it(manifest):
    sections = {"state_topic": "/arm/joint_states", "command_topic": "/arm/commands", "poses": {"cup": "/cup@base"},
                "goal_topic": "/goal"}
    robot = RobotDescription("arm", "", manifest.period_ns, manifest.joints, {}, {},
                             topics={"ros2_control": RobotTopics.read("hardware ros2_control", sections)})
    terms = Term("cup_position", "m", XYZ), Term("goal_position", "m", XYZ)
    hardware, link = seeing(manifest, *terms, robot=robot, goal_topic="/other_goal")
    assert set(link.heard) == {"/cup", "/other_goal"}
    assert "joints (/arm/joint_states)" in hardware.missing()
    hardware.write(np.zeros(4))
    assert link.sent[0][0] == "/arm/commands"


def test_the_shadow_hand_is_commanded_by_its_own_names_and_its_coupled_joints_once():
    robot = RobotDescription.load(ROOT / "mat_ros/config/robots/shadow_hand.yaml")
    commanded = robot.hardware["shadow_command"].hardware
    assert "rh_FFJ0" in commanded
    assert len(commanded) == len(robot.joints) == 20


def test_the_guard_of_a_shipped_robot_holds_without_its_name_too():
    hands = Bundle.load(policy_folder("dexhands_door_mat")).manifest
    assert find_guard("", hands) == find_guard("dexhands_door", hands) != GuardSettings()
    assert find_guard("", Bundle.load(BUNDLES / "rwkv4").manifest) == GuardSettings()
