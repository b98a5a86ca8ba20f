# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Find the adapter of a robot by name; a name such as `my_arm:Arm` is a class of your own, anywhere on PYTHONPATH."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path
from typing import Any

from mat_ros.core.errors import Refused
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.robot.description import Robot
from mat_ros.core.shipped import config_file, config_names
from mat_ros.hardware.breaking import Breaking
from mat_ros.hardware.commands import COMMANDS
from mat_ros.hardware.fake import FakeBus
from mat_ros.hardware.io import HardwareIO, SimulatedRobotIO
from mat_ros.hardware.link import RobotLink
from mat_ros.hardware.ros_robot import RobotTopics, RosRobot
from mat_ros.worlds.scatter import Scatter

METHODS = ("read", "write", "describe", "close")
ADAPTERS = ("sim", "fake", *COMMANDS)  # sim: a node of the graph simulates the robot and hears what is applied


def open_hardware(name: str, link: RobotLink, manifest: Manifest, robot: str, topics: RobotTopics) -> HardwareIO:
    """Open the adapter of a robot that no node simulates."""
    description = find_robot(robot, manifest)
    if name == "fake":
        return FakeBus(manifest)
    if name in COMMANDS:
        return RosRobot(link, manifest, name, description, topics)
    check_adapter(name)
    return own_hardware(name, manifest)


def open_simulated(manifest: Manifest, task: str, seed: int, number: int = 0, scatter_rad: float = 0.0,
                   ticks: int = 0) -> SimulatedRobotIO:
    """Open the simulated robot of a policy; a policy of no world moves the joints of a fake bus."""
    if not manifest.world:
        return FakeBus(manifest, seed)
    from mat_ros.hardware.simulated import SimulatedRobot  # MuJoCo is large: only where it is used

    return SimulatedRobot(manifest, task, seed, number, Scatter(scatter_rad), ticks)


def open_breaking(robot: SimulatedRobotIO, manifest: Manifest, faults: str) -> Breaking:
    """Get ready to break a simulated robot as a fault plan says, or by nothing where the plan is empty."""
    if faults and not manifest.world:
        raise Refused("faults", "a simulated robot", "a bus without physics", "leave the fault plan out")
    return Breaking(robot, manifest, faults)


def own_hardware(name: str, manifest: Manifest) -> HardwareIO:
    """Make a class that is not ours, given the policy's manifest, and refuse one that is another robot."""
    made: HardwareIO = own_class(name)(manifest)
    _check_methods(name, made)
    expected = tuple(joint.name for joint in manifest.joints)
    if made.describe().joints != expected:
        raise Refused(f"hardware {name}", f"the joints {list(expected)}", list(made.describe().joints),
                      "command the joints of the policy, in its order")
    return made


def _check_methods(name: str, made: object) -> None:
    if absent := [method for method in METHODS if not callable(getattr(made, method, None))]:
        raise Refused(f"hardware {name}", f"the methods {', '.join(METHODS)}", f"no {', '.join(absent)}", "add them")


def own_class(name: str) -> Any:
    """Import a class that is not ours."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise Refused(f"hardware {name}", "an importable module:Class", error,
                      "put its folder on PYTHONPATH, or correct the name") from error


def check_adapter(name: str) -> None:
    """Refuse an adapter that there is not, without opening one."""
    if ":" in name:
        made = own_class(name)
        if isinstance(made, type):  # a function that makes one is asked later
            _check_methods(name, made)
    elif name not in ADAPTERS:
        raise Refused("hardware", f"one of {sorted((*COMMANDS, 'fake'))}, or module:Class", repr(name),
                      "name an adapter")


def find_robot(name: str, manifest: Manifest) -> Robot | None:
    """Load the robot that is named, or the policy's own where it is shipped, and refuse one that does not fit."""
    if not name and manifest.robot not in config_names("robots"):
        return None
    robot = Robot.load(Path(config_file("robots", name or manifest.robot)))
    # The rate of the graph is checked where ticks are made; a robot file gives the one that it was made for.
    manifest.check_robot(dataclasses.replace(robot, period_ns=manifest.period_ns))
    return robot
