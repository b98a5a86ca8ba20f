# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Describe a robot in one YAML file: its joints, its control period, and the ways to split it into agents.

A file can extend another file by the field `extends`. The fields of the extending file replace those of the other file.
An entry of `joints` changes every joint that its name (a shell pattern) selects. `without` lists patterns of joints
that are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from mat_ros.core.errors import Refused
from mat_ros.core.plain import read_yaml_file
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.core.robot.joints import MAP_FIELDS, ActionMap, Joint, JointMap
from mat_ros.core.robot.topics import TOPIC_FIELDS, RobotTopics

NANOSECONDS = 1_000_000_000
FIELDS = ("name", "world", "rate_hz", "joint_defaults", "joints", "splits", "hardware", "guard")
EXTENSION_FIELDS = (*FIELDS, "extends", "without")
RATES_HZ = (0.001, 1e6)  # least and greatest rate
SHAPES: Mapping[str, tuple[str, str]] = {  # shape of a field's value, as text and as an example
    "joint_defaults": ("map", "fields of a joint, as {rate: 2.0}"),
    "splits": ("map of maps of lists", "lists of joints by split and agent, as {finger: {thumb: [THJ0, THJ1]}}"),
    "hardware": ("map of maps", "joint maps and topics by name, as {own: {joints: {motor_1: {of: elbow}}}}"),
    "without": ("list", 'a list of patterns, as ["*:wheel"]'),
}


@dataclass(frozen=True)
class Agent:
    """Name an agent and its joints. An agent decides one action vector for a joint, a finger or a hand."""

    name: str
    joints: tuple[str, ...]


@dataclass(frozen=True)
class RobotDescription:
    """Describe a robot in the policy's names, and the maps to the names of other hardware."""

    name: str
    world: str  # the simulated robot in mat_ros.worlds; empty where there is none
    period_ns: int  # one tick
    joints: tuple[Joint, ...]  # in command order
    splits: Mapping[str, tuple[Agent, ...]]  # agents in chain order, by name of the split
    hardware: Mapping[str, JointMap]  # by hardware name
    guard: GuardSettings = field(default_factory=GuardSettings)
    topics: Mapping[str, RobotTopics] = field(default_factory=dict)  # by hardware name, of a robot on ROS

    def agents(self, split: str) -> tuple[Agent, ...]:
        """Return the agents of a named split, in chain order."""
        if split not in self.splits:
            raise Refused(f"split of robot {self.name}", f"one of {sorted(self.splits)}", split, "choose one of them")
        return self.splits[split]

    def action_map(self, split: str) -> ActionMap:
        """Return the map from the agents' actions to joint commands."""
        return ActionMap(self.joints, [agent.joints for agent in self.agents(split)])

    @classmethod
    def load(cls, path: Path) -> RobotDescription:
        """Return the robot of a file. Every refusal names the field of the mistake."""
        return cls.from_dict(_read(path, ()))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RobotDescription:
        """Return the robot of plain values. Each joint's values override those of `joint_defaults`."""
        defaults = dict(data.get("joint_defaults", {}))
        if not data["joints"]:
            raise Refused(f"robot {data['name']}, joints", "at least one joint", "none", "list the joints")
        joints = tuple(Joint.from_dict({**defaults, "name": name, **(values or {})})
                       for name, values in data["joints"].items())
        names = tuple(joint.name for joint in joints)
        splits = {name: tuple(Agent(agent, tuple(members)) for agent, members in agents.items())
                  for name, agents in data.get("splits", {}).items()}
        splits.setdefault("joint", tuple(Agent(name, (name,)) for name in names))
        splits.setdefault("all", (Agent(str(data["name"]), names),))
        robot = cls(
            name=str(data["name"]),
            world=str(data.get("world", "")),
            period_ns=round(NANOSECONDS / float(data["rate_hz"])),
            joints=joints,
            splits=splits,
            hardware={name: JointMap.of_hardware(name, names, section)
                      for name, section in _hardware(data).items() if set(section) & set(MAP_FIELDS)},
            guard=GuardSettings.from_dict(data.get("guard", {})),
            topics={name: RobotTopics.read(f"hardware {name}", section) for name, section in _hardware(data).items()},
        )
        for split in splits:
            robot.action_map(split)  # the map refuses a split that omits or repeats a joint
        return robot


def _hardware(data: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Return the entries of the section `hardware`. Refuse a field that none of them has."""
    sections: Mapping[str, Mapping[str, Any]] = data.get("hardware", {})
    for name, section in sections.items():
        known = (*MAP_FIELDS, *TOPIC_FIELDS)
        if not section or set(section) - set(known):
            raise Refused(f"hardware {name}", f"some of the fields {', '.join(known)}",
                          ", ".join(sorted(set(section) - set(known))) or "none",
                          "put rows such as motor_1: {of: elbow} below `joints`")
    return sections


def _read(path: Path, readers: tuple[Path, ...]) -> dict[str, Any]:
    """Return the plain values of a robot file, merged with those of the file that it extends.

    `readers` are the files that extend this file, directly or by a chain. They serve to find a circle.
    """
    if path in readers:
        raise Refused(f"robot file {path}", "a file that does not extend itself", [p.stem for p in readers],
                      "correct `extends`")
    data = read_yaml_file(path, "robot file")
    extends = isinstance(data, dict) and "extends" in data
    fields = EXTENSION_FIELDS if extends else FIELDS
    needed = {"name"} if extends else {"name", "rate_hz", "joints"}
    if not isinstance(data, dict) or (set(data) - set(fields)) or not needed <= set(data):
        if not isinstance(data, dict):
            raise Refused(f"robot file {path}", f"fields, of {', '.join(fields)}", type(data).__name__, "write them")
        if lacking := sorted(needed - set(data)):
            given = ", ".join(str(field) for field in data)
            raise Refused(f"robot file {path}", f"the field {lacking[0]}", f"{given} only", "add it")
        raise Refused(f"robot file {path}", f"fields of {', '.join(fields)}",
                      ", ".join(str(field) for field in data if field not in fields), "rename or remove them")
    for word in ("name", "world"):
        if not isinstance(data.get(word, ""), str):
            raise Refused(f"robot file {path}, {word}", "a word", repr(data[word]), "write one, in quotes if needed")
    joints = data.get("joints", {})
    if not _has_shape(joints, "map") or not all(values is None or _has_shape(values, "map")
                                                for values in joints.values()):
        raise Refused(f"robot file {path}, joints", "names with fields, as {slew: {lower: -2.0}, luff: }", joints,
                      "write them so")
    if named := [name for name, values in joints.items() if "name" in (values or {})]:
        raise Refused(f"robot file {path}, joint {named[0]}", "its name as the key alone", "a field `name` too",
                      "remove the field")
    rate = data.get("rate_hz", 1)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not RATES_HZ[0] <= rate <= RATES_HZ[1]:
        raise Refused(f"robot file {path}, rate_hz", f"a number from {RATES_HZ[0]:g} to {RATES_HZ[1]:g}", rate,
                      "correct it")
    for name, (shape, example) in SHAPES.items():
        if name in data and not _has_shape(data[name], shape):
            raise Refused(f"robot file {path}, {name}", example, data[name], "write it so")
    if not extends:
        return data
    if not isinstance(data["extends"], str) or not set(data["extends"]).isdisjoint("/\\\0"):
        raise Refused(f"robot file {path}, extends", "the name of a file in the same folder, without .yaml",
                      repr(data["extends"]), "put the other file there and name it")
    base = _read(path.with_name(f"{data['extends']}.yaml"), (*readers, path))
    return _extended(base, data, path)


def _has_shape(value: Any, shape: str) -> bool:
    """Return whether a value is a "list" or a "map", or a "map of" one of these shapes."""
    kind, _, inner = shape.partition(" of ")
    if kind.startswith("list"):
        return isinstance(value, list) and all(isinstance(member, str) for member in value)
    return isinstance(value, dict) and all(isinstance(key, str) for key in value) and (not inner or all(
        _has_shape(member, inner.replace("maps", "map", 1)) for member in value.values()))


def _extended(base: Mapping[str, Any], data: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the plain values of a base robot with the changes of an extending file."""
    gone = {name for pattern in data.get("without", ()) for name in _selected(base["joints"], pattern, path)}
    joints = {name: dict(values or {}) for name, values in base["joints"].items() if name not in gone}
    for pattern, changes in data.get("joints", {}).items():
        new = not set(pattern) & set("*?[") and pattern not in joints
        for name in [pattern] if new else _selected(joints, pattern, path):
            joints[name] = {**joints.get(name, {}), **(changes or {})}
    splits = {split: {agent: [member for member in members if member not in gone] for agent, members in agents.items()}
              for split, agents in base.get("splits", {}).items()}
    kept = {field: value for field, value in data.items() if field in FIELDS}
    return {**base, "splits": splits, **kept, "joints": joints}


def _selected(names: Iterable[str], pattern: str, path: Path) -> list[str]:
    found = [name for name in names if fnmatchcase(name, pattern)]
    if not found:
        raise Refused(f"robot file {path}", f"a pattern of {list(names)}", pattern, "correct the pattern")
    return found
