# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Find the adapter of a robot by name."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mat_ros.core.errors import Refused
from mat_ros.core.manifest import Manifest
from mat_ros.core.robot import Robot
from mat_ros.hardware.commands import COMMANDS
from mat_ros.hardware.fake import FakeBus
from mat_ros.hardware.link import Link
from mat_ros.hardware.ros_robot import RobotTopics, RosRobot
from mat_ros.shipped import config_file, config_names

ADAPTERS = ("sim", "fake", *COMMANDS)  # sim: a node of the graph simulates the robot and hears what is applied


def open_hardware(name: str, link: Link, manifest: Manifest, robot: str, topics: RobotTopics) -> FakeBus | RosRobot:
    """Open the adapter of a robot that no node simulates."""
    description = find_robot(robot, manifest)
    if name == "fake":
        return FakeBus(manifest)
    if name not in COMMANDS:
        raise Refused("hardware", f"one of {sorted((*COMMANDS, 'fake'))}", repr(name), "name an adapter")
    return RosRobot(link, manifest, name, description, topics)


def find_robot(name: str, manifest: Manifest) -> Robot | None:
    """Load the robot that is named, or the policy's own where it is shipped, and refuse one that does not fit."""
    if not name and manifest.robot not in config_names("robots"):
        return None
    robot = Robot.load(Path(config_file("robots", name or manifest.robot)))
    # The rate of the graph is checked where ticks are made; a robot file gives the one that it was made for.
    manifest.check_robot(dataclasses.replace(robot, period_ns=manifest.period_ns))
    return robot
