# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""List the subcommands of mat-ros. A subcommand is the module of its name in this folder."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """Describe one subcommand without importing it."""

    name: str
    help: str
    extra: str = ""  # pip extras that contain its imports
    own: str = ""  # its module, if that is not the module of its name in this folder

    @property
    def module(self) -> str:
        """Return the module whose `main` takes the arguments after the name and returns the exit status."""
        return self.own or f"{__package__}.{self.name}"

    def exists(self) -> bool:
        """Return whether this version of the package has the subcommand's module."""
        return importlib.util.find_spec(self.module) is not None


@dataclass(frozen=True)
class Audience:
    """Group the subcommands of one kind of user."""

    title: str
    commands: tuple[Command, ...]
    elsewhere: tuple[tuple[str, str], ...] = ()  # other commands: (command line, effect)


AUDIENCES = (
    Audience(
        "operate: run a policy on a robot or a simulated one",
        (
            Command("demo", "a chain of joints that goes on when broken", "ros,sim"),
            Command("launch", "start a graph without ROS's own launch", "ros,sim"),
            Command("faults", "list, inject and clear faults", "ros"),
            Command("resume", "undo a latched stop of a real robot"),
            Command("replay", "decide a recording again and compare bits", "onnx"),
            Command("report", "draw a recording as one page"),
            Command("diff", "compare two recordings"),
        ),
        (("ros2 launch mat_ros ...", "the same graphs where ROS's own tools are installed"),),
    ),
    Audience(
        "train: make a policy in simulation and pack it as a bundle",
        (),
        (
            ("python -m training.train", "train; --help lists presets and settings"),
            ("python -m training.export", "write the policy bundle"),
        ),
    ),
    Audience(
        "integrate: a new robot, policy or machine",
        (
            Command("doctor", "what this machine has, lacks, and how to mend it"),
            Command("new-robot", "write a robot's folder from MJCF or URDF", "sim", own="mat_ros.cli.new_robot"),
            Command("check", "verify a policy bundle or a robot file", "onnx"),
            Command("engines", "build and verify TensorRT engines", "rtx"),
            Command("bench", "measure latency, or what faults leave", "onnx,sim"),
            Command("completion", "complete commands in bash"),
            Command("version", "the version of this package"),
        ),
    ),
)


def commands() -> dict[str, Command]:
    """Return the subcommands of this version, by name."""
    return {command.name: command for audience in AUDIENCES for command in audience.commands if command.exists()}
