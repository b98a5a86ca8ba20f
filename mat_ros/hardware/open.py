# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Open the adapter of a robot by name: a sender of ROS messages, a registered adapter, or a user's `module:Class`.

A user's module is imported only where the launch named it.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mat_ros.core import named
from mat_ros.core.errors import Refused
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.core.robot.topics import RobotTopics
from mat_ros.core.shipped import config_file, config_names
from mat_ros.hardware.breaking import Breaking
from mat_ros.hardware.commands import COMMANDS
from mat_ros.hardware.fake import FakeBus
from mat_ros.hardware.io import HardwareIO, SimulatedRobotIO
from mat_ros.hardware.link import RobotLink
from mat_ros.hardware.ros_robot import RosRobot
from mat_ros.hardware.ros_terms import columns_of
from mat_ros.worlds.scatter import Scatter

METHODS = ("read", "write", "describe", "close")
SIM = "sim"  # a node of the graph simulates the robot and receives the applied commands


def open_hardware(name: str, link: RobotLink, manifest: Manifest, robot: str, topics: RobotTopics,
                  period_ns: int = 0, joy_speed: float = 0.0) -> HardwareIO:
    """Open the adapter of a robot that no node simulates; `period_ns` is the time between two commands.

    `topics` go before those of the robot file. `joy_speed` is the speed at a full stick of a joystick.
    """
    description = find_robot(robot, manifest)
    if name in COMMANDS:
        return RosRobot(link, manifest, name, description, topics, period_ns, joy_speed)
    check_adapter(name)
    return own_hardware(name, manifest)


def open_simulated(manifest: Manifest, task: str, seed: int, number: int = 0, scatter_rad: float = 0.0,
                   ticks: int = 0) -> SimulatedRobotIO:
    """Open the simulated robot of a policy; a policy without a world gets a fake bus."""
    if not manifest.world:
        return FakeBus(manifest, seed)
    from mat_ros.hardware.simulated import SimulatedRobot  # MuJoCo is large, and only this branch needs it

    return SimulatedRobot(manifest, task, seed, number, Scatter(scatter_rad), ticks)


def open_breaking(robot: SimulatedRobotIO, manifest: Manifest, faults: str) -> Breaking:
    """Return the `Breaking` of a simulated robot for a fault plan; an empty plan has no faults."""
    if faults and not manifest.world:
        raise Refused("faults", "a simulated robot", "a bus without physics", "leave the fault plan out")
    return Breaking(robot, manifest, faults)


def own_hardware(name: str, manifest: Manifest) -> HardwareIO:
    """Make an adapter of a user's class with the policy's manifest, and refuse other joints than the policy's."""
    made: HardwareIO = named.find(named.ADAPTERS, name)(manifest)
    _check_methods(name, made)
    expected = tuple(joint.name for joint in manifest.joints)
    if made.describe().joints != expected:
        raise Refused(f"hardware {name}", f"the joints {list(expected)}", list(made.describe().joints),
                      "command the joints of the policy, in its order")
    return made


def _check_methods(name: str, made: object) -> None:
    if absent := [method for method in METHODS if not callable(getattr(made, method, None))]:
        raise Refused(f"hardware {name}", f"the methods {', '.join(METHODS)}", f"no {', '.join(absent)}", "add them")


def adapters() -> list[str]:
    """Return the names of the adapters of real robots: senders of ROS messages, and what packages have registered."""
    return sorted({*COMMANDS, *named.names(named.ADAPTERS)})


def check_adapter(name: str) -> None:
    """Refuse the name of an adapter that does not exist, without opening an adapter."""
    if name in (SIM, *COMMANDS):
        return
    if ":" not in name and name not in adapters():
        raise Refused("hardware", f"one of {adapters()}, or module:Class", repr(name), "name an adapter")
    made = named.find(named.ADAPTERS, name)
    if isinstance(made, type):  # a function that makes an adapter is checked when it is called
        _check_methods(name, made)


def check_terms(hardware: str, manifest: Manifest, robot: str, topics: RobotTopics) -> None:
    """Refuse a policy with a term that no topic of a robot on ROS gives, without opening an adapter."""
    if hardware in COMMANDS:
        description = find_robot(robot, manifest)
        own = description.topics.get(hardware, RobotTopics()) if description is not None else RobotTopics()
        columns_of(manifest.layout.terms, own.overridden(topics).sources)


def find_robot(name: str, manifest: Manifest) -> RobotDescription | None:
    """Load the named robot, or the policy's robot where it is shipped, and refuse a robot that does not fit."""
    if not name and manifest.robot not in config_names("robots"):
        return None
    robot = RobotDescription.load(Path(config_file("robots", name or manifest.robot)))
    # `mat_ros.graph.deployment` checks the rate, which the user may set. So this check ignores the robot file's rate.
    manifest.check_robot(dataclasses.replace(robot, period_ns=manifest.period_ns))
    return robot


def find_guard(name: str, manifest: Manifest) -> GuardSettings:
    """Return the guard of the named robot, or of the policy's robot where it is shipped; else the defaults."""
    robot = find_robot(name, manifest)
    return robot.guard if robot is not None else GuardSettings()
