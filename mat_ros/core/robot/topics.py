# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Name the topics of a robot on ROS, in its file's section `hardware` or in launch arguments, which go first.

An entry is `topic`, `name=topic` or `name=topic@frame`. The name is the first part of the names of the terms that the
topic gives (`mat_ros.hardware.ros_terms` lists them). Messages in another frame than `frame` are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mat_ros.core.errors import Refused


@dataclass(frozen=True)
class Argument:
    """Describe one argument: the kind of its sources, and their name where an entry has none."""

    kind: str
    name: str  # empty: an entry needs a name
    text: str  # what the argument means


# The launch arguments, the parameters of the observer and the fields of a robot file have these names.
SOURCES: Mapping[str, Argument] = {
    "poses": Argument("pose", "", "geometry_msgs/PoseStamped of objects, as in cup=/cup_pose@base_link,..."),
    "odometry": Argument("odometry", "root", "nav_msgs/Odometry of the base, as in /odom@odom"),
    "imu": Argument("imu", "root", "sensor_msgs/Imu of the base, as in /imu/data"),
    "command": Argument("twist", "command", "geometry_msgs/Twist that a person or a planner wants, as in /cmd_vel"),
    "goal_topic": Argument("goal", "goal", "geometry_msgs/PoseStamped to reach, as in /goal_pose@map"),
    "joy": Argument("joy", "command", "sensor_msgs/Joy in place of a Twist, or goal=/joy to move the goal"),
}
PLAIN = {"state_topic": "sensor_msgs/JointState of the robot; empty: the robot file's, else /joint_states",
         "command_topic": "topic of the robot's controllers; empty: the robot file's, else its usual name"}
NAME = r"(~?/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*)?"  # of a topic, as ROS allows it; or none
EACH_JOINT = "{joint}"  # stands for the name of each joint in the topic of the Shadow Hand's controllers
JOY_SPEED = "speed at a full stick of the joystick, in m/s and rad/s"
TOPIC_FIELDS = (*PLAIN, *SOURCES)
TOPIC_TEXTS = {**PLAIN, **{name: f"{argument.text}; empty: the robot file's, else none"
                           for name, argument in SOURCES.items()}}


@dataclass(frozen=True)
class TopicSource:
    """One topic that gives named terms."""

    kind: str  # pose, odometry, imu, twist, goal, joy
    name: str  # first part of the names of its terms
    topic: str
    frame: str = ""  # frame of its messages; empty: the frame of the first message


@dataclass(frozen=True)
class RobotTopics:
    """The topics of a robot; an empty name stands for the usual topic of its controllers."""

    command: str = ""
    state: str = ""
    sources: tuple[TopicSource, ...] = ()

    @classmethod
    def read(cls, what: str, values: Mapping[str, Any]) -> RobotTopics:
        """Return the topics of named values, which are texts or, in a file, maps of topics by name."""
        for name in PLAIN:
            _check_topic(f"{what}, {name}", values.get(name, ""))
        sources = tuple(source for name in SOURCES for source in _sources(f"{what}, {name}", name, values.get(name)))
        seen: dict[tuple[str, str], TopicSource] = {}
        for source in sources:
            if (other := seen.setdefault((source.kind, source.name), source)) is not source:
                raise Refused(f"{what}, {source.name}", "one topic", f"{other.topic} and {source.topic}",
                              "give each its own name")
        return cls(values.get("command_topic", ""), values.get("state_topic", ""), sources)

    def overridden(self, more: RobotTopics) -> RobotTopics:
        """Return the topics with those of `more` in place of others of the same kind."""
        kinds = {source.kind for source in more.sources}
        kept = (source for source in self.sources if source.kind not in kinds)
        return RobotTopics(more.command or self.command, more.state or self.state, (*kept, *more.sources))


def _check_topic(what: str, topic: object) -> None:
    """Refuse what ROS does not allow as the name of a topic; an empty text stands for the usual one."""
    if not isinstance(topic, str) or not re.fullmatch(NAME, topic.replace(EACH_JOINT, "x")):
        raise Refused(what, "the name of a topic in letters, digits, _ and /", topic, "write it as /joint_states")


def _sources(what: str, field: str, value: object) -> list[TopicSource]:
    """Return the sources of one field."""
    argument = SOURCES[field]
    example = f"write it as {argument.name or 'cup'}=/topic@frame, where the frame may be left out"
    if value in (None, ""):
        return []
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) and isinstance(topic, str) for name, topic in value.items()):
            raise Refused(what, "topics by name", value, example)
        entries = [f"{name}={topic}" for name, topic in value.items()]
    elif isinstance(value, str):
        entries = [entry.strip() for entry in value.split(",") if entry.strip()]
    else:
        raise Refused(what, "a topic", value, example)
    found = []
    for entry in entries:
        name, _, rest = entry.rpartition("=")
        topic, _, frame = rest.partition("@")
        if not topic or not (name or argument.name):
            raise Refused(what, "name=topic, separated by commas" if not argument.name else "a topic", entry, example)
        _check_topic(what, topic)
        found.append(TopicSource(argument.kind, name or argument.name, topic, frame))
    return found
