# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Describe a robot in one YAML file: its joints, its control period, and the ways to split it into agents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mat_ros.core.errors import Refused
from mat_ros.core.joints import ActionMap, Joint, JointMap

NANOSECONDS = 1_000_000_000
FIELDS = ("name", "world", "rate_hz", "joint_defaults", "joints", "splits", "hardware")


@dataclass(frozen=True)
class Agent:
    """What decides one action vector: a joint, a finger or a hand."""

    name: str
    joints: tuple[str, ...]


@dataclass(frozen=True)
class Robot:
    """A robot as the policy sees it, and how its joints are called elsewhere."""

    name: str
    world: str  # the simulated robot in mat_ros.worlds; empty where there is none
    period_ns: int  # one tick
    joints: tuple[Joint, ...]  # in command order
    splits: Mapping[str, tuple[Agent, ...]]  # by name: the agents in chain order
    hardware: Mapping[str, JointMap]  # by hardware name

    def agents(self, split: str) -> tuple[Agent, ...]:
        """Give the agents of a named split, in chain order."""
        if split not in self.splits:
            raise Refused(f"split of robot {self.name}", f"one of {sorted(self.splits)}", split, "choose one of them")
        return self.splits[split]

    def action_map(self, split: str) -> ActionMap:
        """Give the map from the agents' actions to joint commands."""
        return ActionMap(self.joints, [agent.joints for agent in self.agents(split)])

    @classmethod
    def load(cls, path: Path) -> Robot:
        """Read a robot file; every mistake is refused with its field."""
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise Refused(f"robot file {path}", "readable YAML", error, "correct the path or the file") from error
        if not isinstance(data, dict) or (set(data) - set(FIELDS)) or not {"name", "rate_hz", "joints"} <= set(data):
            got = sorted(data) if isinstance(data, dict) else type(data).__name__
            raise Refused(f"robot file {path}", f"the fields {FIELDS}", got, "add or rename fields")
        return cls.from_dict(data)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Robot:
        """Read a robot from plain values. Each joint's values override those of `joint_defaults`."""
        defaults = dict(data.get("joint_defaults", {}))
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
            hardware={name: JointMap.from_dict(rows.get("of", names), rows["joints"])
                      for name, rows in data.get("hardware", {}).items()},
        )
        for split in splits:
            robot.action_map(split)  # refuses a split that forgets or repeats a joint
        return robot
