# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run the driver of a real robot as a process of the graph. Only an adapter that uses ROS makes it a ROS node."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mat_ros.core import options
from mat_ros.core.errors import Refused
from mat_ros.core.options import option
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.limits import ruling_joints
from mat_ros.core.robot.topics import TOPIC_TEXTS, RobotTopics
from mat_ros.core.shipped import config_file, policy_folder
from mat_ros.core.tick.latch import StopLatch
from mat_ros.core.tick.placement import joint_places
from mat_ros.hardware.commands import COMMANDS
from mat_ros.hardware.driver import Drive, Driving, serve
from mat_ros.hardware.guest import driver_address
from mat_ros.hardware.io import Expiring, Float, HardwareIO, HearsCommands, Listening, Preparing
from mat_ros.hardware.open import adapters, find_guard, open_hardware
from mat_ros.nodes import realtime
from mat_ros.nodes.parameters import read_parameters

DRIVE_PERIODS = 5  # periods without a command after which the drive itself ends every speed and effort


@dataclass(frozen=True)
class DriverSettings:
    """Set the robot that the driver commands."""

    policy: str = option("", "policy bundle: a shipped name or a folder")
    hardware: str = option("fake", f"adapter of the robot: {', '.join(adapters())}, or module:Class")
    robot: str = option("", "robot: a shipped name or a YAML file; empty: the one the policy was trained on")
    command_topic: str = option("", TOPIC_TEXTS["command_topic"])
    rate_hz: float = option(0.0, "ticks per second; 0: the policy's own rate", 0.0, 1000.0)
    realtime: int = option(0, "SCHED_RR priority of the graph, which the driver exceeds; 0: none", 0, realtime.HIGHEST)


def main(arguments: Sequence[str]) -> int:
    """Run the driver until SIGINT or SIGTERM. Before it ends, it brings the robot to its fallback."""
    namespace, values = read_parameters(arguments)
    known = {o.name for o in options.options(DriverSettings)}
    settings: DriverSettings = options.read(DriverSettings, {n: value for n, value in values.items() if n in known})
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        run(settings, namespace, ended.is_set)
    except Refused as error:
        print(f"driver: {error}", file=sys.stderr)
        return 2
    return 0


def run(settings: DriverSettings, namespace: str, ended: Callable[[], bool]) -> None:
    """Open the adapter and serve the gate and the observer."""
    manifest = Bundle.load(policy_folder(settings.policy)).manifest
    robot = RobotDescription.load(config_file("robots", settings.robot)) if settings.robot else None
    period_ns = round(1e9 / settings.rate_hz) if settings.rate_hz else manifest.period_ns
    guard = find_guard(settings.robot, manifest)
    drive = Drive(ruling_joints(manifest.joints, robot), guard, period_ns)
    measures = settings.hardware not in COMMANDS  # the observer itself subscribes to the measurements of a robot on ROS
    hardware = open_hardware(settings.hardware, _link(settings.hardware, namespace), manifest, settings.robot,
                             RobotTopics(command=settings.command_topic), period_ns)
    if measures and isinstance(hardware, Listening):
        hardware.listen()
    if isinstance(hardware, Preparing):
        hardware.prepare()
    if isinstance(hardware, Expiring):
        hardware.expire_after(DRIVE_PERIODS * period_ns * 1e-9)
    elif settings.hardware != "fake":
        print(f"driver: {settings.hardware} sets no timeout of the drive. Without one, the hardware keeps the last "
              "command when this process hangs; see SAFETY.md", flush=True)
    if settings.realtime and not realtime.request(settings.realtime + realtime.DRIVER_AHEAD):
        print(f"driver: {realtime.REFUSED}", flush=True)
    driving = Driving(drive, _write(hardware), StopLatch(robot.name if robot is not None else manifest.robot),
                      _where(hardware, manifest) if measures else lambda: None)
    serve(driver_address(namespace), driving, hardware, ended)


def _write(hardware: HardwareIO) -> Callable[[Float], None]:
    """Return the function that commands the robot, and that passes the command on to an adapter that asks for it."""
    if not isinstance(hardware, HearsCommands):
        return hardware.write
    hearing = hardware

    def write(command: Float) -> None:
        hardware.write(command)
        hearing.applied(command)

    return write


def _where(hardware: HardwareIO, manifest: Manifest) -> Callable[[], Float | None]:
    """Return the function that returns the positions (joint,), NaN where not measured; None without a reading."""
    places = joint_places(manifest)

    def where() -> Float | None:
        reading = hardware.read()
        if reading is None:
            return None
        return np.where(places >= 0, reading.signals[places].astype(np.float64), np.nan)

    return where


def _link(hardware: str, namespace: str) -> Any:
    """Return the link to the robot's topics if the adapter needs one. Only then is rclpy imported."""
    if hardware not in COMMANDS:
        return None
    import rclpy

    from mat_ros.hardware.ros_link import RosLink

    rclpy.init(args=[])
    return RosLink(rclpy.create_node("driver", namespace=namespace))
