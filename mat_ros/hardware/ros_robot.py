# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Reach a robot through ROS's standard messages; a joint map translates the names of its joints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from mat_ros.core.errors import Refused
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.joints import JointMap
from mat_ros.core.robot.topics import RobotTopics, TopicSource
from mat_ros.hardware.commands import COMMANDS, Send
from mat_ros.hardware.io import Description, Float, Reading, check_command, description_of
from mat_ros.hardware.link import Heard, JointStates, RobotLink
from mat_ros.hardware.operator import Operator
from mat_ros.hardware.ros_terms import Column, columns_of

FRESH_PERIODS = 3  # an older measurement counts as missing
FUTURE_NS = 100_000_000  # a stamp further in the future comes from another clock
STATES = "/joint_states"  # where robots report their joints
WISHES = ("twist", "goal", "joy")  # kinds of sources that say what is wanted, and measure nothing
FRAMELESS = ("twist", "joy")  # kinds whose messages have no frame of a measurement
UNIT = 0.01  # by how much the length of a quaternion may differ from 1


@dataclass
class _Stream:
    """One stream of measurements."""

    heard_ns: int | None = None  # when the newest measurement came, in the steady clock; None: none has come
    stamp_ns: int = 0  # when the newest measurement was made, in the clock of the robot


class RosRobot:
    """Read and write by name. The safety node never calls `listen`, and the observer never calls `write`."""

    def __init__(self, link: RobotLink, manifest: Manifest, kind: str, robot: RobotDescription | None,
                 topics: RobotTopics, period_ns: int = 0, joy_speed: float = 0.0) -> None:
        """Take the topics that go before those of the robot file, and the time between two commands; 0: the policy's.

        `joy_speed` is the speed at a full stick of a joystick.
        """
        self.counts: Counter[str] = Counter()  # rejected measurements: stale, future, not_finite, incomplete, frame
        own = robot.topics.get(kind, RobotTopics()) if robot is not None else RobotTopics()
        self._link, self._topics, self._kind = link, own.overridden(topics), kind
        self._operator = Operator(joy_speed)
        description = description_of(manifest)
        self._description = replace(description, period_ns=period_ns or description.period_ns)
        self._terms = manifest.layout.terms
        self._seen = {term.name for term in self._terms}
        names = self._description.joints
        maps = robot.hardware if robot is not None else {}
        self._command_map = _map(maps, (f"{kind}_command", kind), names)
        self._state_map = _map(maps, (f"{kind}_state", kind), _measured(manifest) or names)
        if self._command_map.policy != names:
            raise Refused(f"robot {robot.name if robot else manifest.robot}, hardware {kind}",
                          f"a way to command {list(names)}", list(self._command_map.policy), "extend the joint map")
        self._send: Send | None = None
        self._values: dict[tuple[str, str], float] = {}  # newest measurements, by term and element
        self._streams: dict[str, _Stream] = {}  # by words for the log
        self._columns: dict[TopicSource, list[Column]] = {}
        self._frames: dict[TopicSource, str] = {}  # frame of the messages of a source
        self._astray: dict[str, str] = {}  # words for a source whose last message is in another frame
        self._command = np.array([joint.default for joint in manifest.joints])

    # -- writing -------------------------------------------------------------------------------------------------

    def prepare(self) -> Send:
        """Make the sender of commands, which takes a middleware longer than a period."""
        if self._send is None:
            self._send = COMMANDS[self._kind](self._link, self._topics.command, self._command_map.hardware,
                                              self._description.period_ns)
        return self._send

    def write(self, command: Float) -> None:
        """Send a command to the controllers."""
        check_command(command, self._description)
        self.prepare()(self._command_map.to_hardware(command))

    # -- reading -------------------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Begin to receive measurements; refuse a term of the policy that no topic gives."""
        self._columns = columns_of(self._terms, self._topics.sources)
        self._joints = f"joints ({self._topics.state or STATES})"
        self._streams[self._joints] = _Stream()
        self._link.hear_joints(self._topics.state or STATES, self._heard_joints)
        for source, columns in self._columns.items():
            if source.kind in WISHES:
                self._link.hear(source.kind, source.topic, partial(self._heard_wish, source))
            elif columns:
                self._streams[_words(source)] = _Stream()
                self._link.hear(source.kind, source.topic, partial(self._heard, source))

    def applied(self, command: Float) -> None:
        """Take the applied command; the last command may be a term of the policy."""
        self._command = command

    def read(self) -> Reading | None:
        """Return the newest measurements, or None while any of them is missing or too old."""
        if self.missing():
            self.counts["stale"] += 1
            return None
        for source, columns in self._columns.items():
            if columns and (wish := self._wish(source)) is not None:
                self._store(columns, wish)
        middle = (self._description.upper + self._description.lower) / 2
        share = (self._command - middle) / (self._description.upper - middle)
        last = {("last_command", name): value for name, value in zip(self._description.joints, share, strict=True)}
        try:
            signals = np.array([(last if term.name == "last_command" else self._values)[term.name, element]
                                for term in self._terms for element in term.elements], dtype=np.float32)
        except KeyError:
            self.counts["stale"] += 1
            return None
        return Reading(signals, min(stream.stamp_ns for stream in self._streams.values()))

    def missing(self) -> str:
        """Return the names of missing or too old sources; empty when all are present."""
        old = [name + self._astray.get(name, "") for name, stream in self._streams.items()
               if not self._is_fresh(stream)]
        unwished = [_words(source) + self._astray.get(_words(source), "") for source, columns in self._columns.items()
                    if columns and source.kind in WISHES and self._wish(source) is None]
        return ", ".join((*old, *unwished))

    def _wish(self, source: TopicSource) -> Heard | None:
        """Return what a person or a planner wants; None where the source has to speak first, or measures."""
        return self._operator.wants(source, self._link.steady_ns()) if source.kind in WISHES else None

    def _is_fresh(self, stream: _Stream) -> bool:
        """Return whether the newest measurement is new in the robot's clock, and also in one that never stops."""
        oldest_ns = FRESH_PERIODS * self._description.period_ns
        return (stream.heard_ns is not None and self._link.steady_ns() - stream.heard_ns <= oldest_ns
                and self._link.now_ns() - stream.stamp_ns <= oldest_ns)

    def _heard_joints(self, states: JointStates) -> None:
        if not self._accept(self._joints, states.stamp_ns, (*states.position, *states.velocity)):
            return
        place = {name: k for k, name in enumerate(states.names)}
        hardware = self._state_map.hardware
        if any(name not in place for name in hardware):
            return  # several publishers may share the topic; this message holds joints of another one
        measured = {"joint_position": states.position, "joint_velocity": states.velocity, "joint_effort": states.effort}
        if any(len(values) != len(states.names) for term, values in measured.items() if term in self._seen):
            self.counts["incomplete"] += 1
            return  # the values that are there must not make the older ones look fresh
        for term, values in measured.items():
            if len(values) != len(states.names):
                continue
            mine = np.array([values[place[name]] for name in hardware])
            if term != "joint_position":
                mine = mine + self._state_map.offset  # `to_policy` subtracts the offset, which only positions have
            for name, value in zip(self._state_map.policy, self._state_map.to_policy(mine), strict=True):
                self._values[term, name] = float(value)
        self._note(self._joints, states.stamp_ns)

    def _heard(self, source: TopicSource, heard: Heard) -> None:
        """Store what a source has measured."""
        name, columns = _words(source), self._columns[source]
        if not self._fits(source, columns, heard) or not self._accept(name, heard.stamp_ns, _numbers(heard)):
            return
        if source.kind == "odometry":  # the message has the velocity in the frame of the base
            turned = rotate(heard.values["orientation"], heard.values["velocity"])
            heard = replace(heard, values={**heard.values, "velocity": turned})
        self._store(columns, heard)
        self._note(name, heard.stamp_ns)

    def _heard_wish(self, source: TopicSource, heard: Heard) -> None:
        """Pass on what a person or a planner wants."""
        if not self._fits(source, self._columns[source], heard):
            return
        if np.isfinite(_numbers(heard)).all():
            self._operator.hear(source, heard, self._link.steady_ns())
        else:
            self.counts["not_finite"] += 1

    def _fits(self, source: TopicSource, columns: list[Column], heard: Heard) -> bool:
        """Return whether a message has the frame of its source and every needed quantity; count others."""
        frame = self._frames.setdefault(source, source.frame or heard.frame)
        astray = heard.frame != frame and source.kind not in FRAMELESS
        self._astray[_words(source)] = f" in the frame {heard.frame!r}, not {frame!r}" if astray else ""
        turn = heard.values.get("orientation")
        if astray:
            self.counts["frame"] += 1
        elif any(column.quantity not in heard.values for column in columns):
            self.counts["incomplete"] += 1
        elif turn is not None and not abs(np.linalg.norm(turn) - 1.0) <= UNIT:  # also refuses a NaN
            self.counts["no_rotation"] += 1
        else:
            return True
        return False

    def _store(self, columns: list[Column], heard: Heard) -> None:
        for column in columns:
            self._values[column.term, column.element] = heard.values[column.quantity][column.axis]

    def _accept(self, name: str, stamp_ns: int, values: tuple[float, ...]) -> bool:
        """Return whether a measurement is finite, newer than the last one and not from the future; count others."""
        if stamp_ns > self._link.now_ns() + FUTURE_NS:
            self.counts["future"] += 1
        elif stamp_ns and stamp_ns <= self._streams[name].stamp_ns:
            self.counts["stale"] += 1
        elif not np.isfinite(values).all():
            self.counts["not_finite"] += 1
        else:
            return True
        return False

    def _note(self, name: str, stamp_ns: int) -> None:
        self._streams[name] = _Stream(self._link.steady_ns(), stamp_ns or self._link.now_ns())

    def describe(self) -> Description:
        """Return the joints, the limits and the period of the robot."""
        return self._description

    def close(self) -> None:
        """Drop the sender of commands."""
        self._send = None


def _map(maps: Mapping[str, JointMap], keys: tuple[str, ...], names: tuple[str, ...]) -> JointMap:
    """Return the joint map of an adapter; without a map, names and units of the joints are those of the policy."""
    found = next((maps[key] for key in keys if key in maps), None)
    return found or JointMap(names, names, np.eye(len(names)), np.zeros(len(names)))


def _measured(manifest: Manifest) -> tuple[str, ...]:
    """Return the names of the joints whose positions the policy observes."""
    return next((term.elements for term in manifest.layout.terms if term.name == "joint_position"), ())


def _words(source: TopicSource) -> str:
    """Return a source in words for the log."""
    return f"{source.name} ({source.topic})"


def _numbers(heard: Heard) -> tuple[float, ...]:
    return tuple(number for values in heard.values.values() for number in values)


def rotate(turn: Sequence[float], vector: Sequence[float]) -> tuple[float, ...]:
    """Return a vector that is turned by the unit quaternion x, y, z, w."""
    axis, w = np.asarray(turn[:3]), turn[3]
    twice = 2.0 * np.cross(axis, vector)
    return tuple(map(float, np.asarray(vector) + w * twice + np.cross(axis, twice)))
