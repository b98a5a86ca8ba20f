# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Reach a robot through ROS's standard messages; a joint map translates the names of its joints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from mat_ros.core.errors import Refused
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.joints import JointMap
from mat_ros.hardware.commands import COMMANDS, Send
from mat_ros.hardware.io import Description, Float, Reading, check_command, description_of
from mat_ros.hardware.link import JointStates, Pose, RobotLink

FRESH_PERIODS = 3  # an older measurement counts as missing
FUTURE_NS = 100_000_000  # a stamp further in the future comes from another clock


@dataclass(frozen=True)
class RobotTopics:
    """The topics of a robot; an empty name means the usual topic of its controllers."""

    command: str = ""
    state: str = "/joint_states"
    poses: str = ""  # poses of objects: name=topic,...


@dataclass
class _Source:
    """One stream of measurements."""

    heard_ns: int | None = None  # when the newest measurement came, in the steady clock; None: none has come
    stamp_ns: int = 0  # when the newest measurement was made, in the clock of the robot


class RosRobot:
    """Read and write by name. The safety node never calls `listen`, and the observer never calls `write`."""

    def __init__(self, link: RobotLink, manifest: Manifest, kind: str, robot: RobotDescription | None,
                 topics: RobotTopics, period_ns: int = 0) -> None:
        """Take the time between two commands, which the launch may set; 0: the policy's own period."""
        self.counts: Counter[str] = Counter()  # rejected measurements: stale, future, not_finite, incomplete
        self._link, self._topics, self._kind = link, topics, kind
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
        self._sources: dict[str, _Source] = {}
        self._command = np.array([joint.default for joint in manifest.joints])

    # -- writing -------------------------------------------------------------------------------------------------

    def write(self, command: Float) -> None:
        """Send a command to the controllers."""
        check_command(command, self._description)
        if self._send is None:
            self._send = COMMANDS[self._kind](self._link, self._topics.command, self._command_map.hardware,
                                              self._description.period_ns)
        self._send(self._command_map.to_hardware(command))

    # -- reading -------------------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Begin to receive measurements; refuse a term of the policy that no topic measures."""
        given = {"joint_position", "joint_velocity", "joint_effort", "last_command"}
        self._sources["joints"] = _Source()
        self._link.hear_joints(self._topics.state, self._heard_joints)
        for name, topic in _poses(self._topics.poses).items():
            given |= {f"{name}_position", f"{name}_orientation"}
            self._sources[name] = _Source()
            self._link.hear_pose(topic, partial(self._heard_pose, name))
        if absent := [term.name for term in self._terms if term.name not in given]:
            raise Refused("measurements of a robot", f"the terms {[term.name for term in self._terms]}",
                          f"nothing that gives {absent}", "add a pose topic, or choose a policy that sees less")

    def applied(self, command: Float) -> None:
        """Take the applied command; the last command may be a term of the policy."""
        self._command = command

    def read(self) -> Reading | None:
        """Return the newest measurements, or None while any of them is missing or too old."""
        if self.missing():
            self.counts["stale"] += 1
            return None
        middle = (self._description.upper + self._description.lower) / 2
        share = (self._command - middle) / (self._description.upper - middle)
        last = {("last_command", name): value for name, value in zip(self._description.joints, share, strict=True)}
        try:
            signals = np.array([(last if term.name == "last_command" else self._values)[term.name, element]
                                for term in self._terms for element in term.elements], dtype=np.float32)
        except KeyError:
            self.counts["stale"] += 1
            return None
        return Reading(signals, min(source.stamp_ns for source in self._sources.values()))

    def missing(self) -> str:
        """Return the names of missing or too old sources; empty when all are present."""
        return ", ".join(name for name, source in self._sources.items() if not self._is_fresh(source))

    def _is_fresh(self, source: _Source) -> bool:
        """Return whether the newest measurement is new in the robot's clock, and also in one that never stops."""
        oldest_ns = FRESH_PERIODS * self._description.period_ns
        return (source.heard_ns is not None and self._link.steady_ns() - source.heard_ns <= oldest_ns
                and self._link.now_ns() - source.stamp_ns <= oldest_ns)

    def _heard_joints(self, states: JointStates) -> None:
        if not self._accept("joints", states.stamp_ns, (*states.position, *states.velocity)):
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
        self._note("joints", states.stamp_ns)

    def _heard_pose(self, name: str, pose: Pose) -> None:
        if not self._accept(name, pose.stamp_ns, (*pose.position, *pose.orientation)):
            return
        for term, axes, values in ((f"{name}_position", "xyz", pose.position),
                                   (f"{name}_orientation", "xyzw", pose.orientation)):
            for axis, value in zip(axes, values, strict=True):
                self._values[term, f"{name}.{axis}"] = value
        self._note(name, pose.stamp_ns)

    def _accept(self, name: str, stamp_ns: int, values: tuple[float, ...]) -> bool:
        """Return whether a measurement is finite, newer than the last one and not from the future; count others."""
        if stamp_ns > self._link.now_ns() + FUTURE_NS:
            self.counts["future"] += 1
        elif stamp_ns and stamp_ns <= self._sources[name].stamp_ns:
            self.counts["stale"] += 1
        elif not np.isfinite(values).all():
            self.counts["not_finite"] += 1
        else:
            return True
        return False

    def _note(self, name: str, stamp_ns: int) -> None:
        self._sources[name] = _Source(self._link.steady_ns(), stamp_ns or self._link.now_ns())

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


def _poses(text: str) -> dict[str, str]:
    """Return the topics by name from `name=topic,...`."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    if any(not topic for _, _, topic in pairs):
        raise Refused("parameter poses", "name=topic, separated by commas", text, "write it so")
    return {name: topic for name, _, topic in pairs}
