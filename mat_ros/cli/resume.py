# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros resume: undo a latched stop of a real robot, after a person has looked at the robot.

A stop is kept on disk. It outlives all processes, the launch and a restart of the machine. This command prints the
cause of the stop and asks for the robot's name. With another name it undoes nothing.
"""

from __future__ import annotations

import argparse
from typing import Any

from mat_ros.cli.service import call
from mat_ros.core.errors import Missing, Refused
from mat_ros.core.tick.latch import Stop, StopLatch, stops

PATIENCE_S = 2.0  # longest wait for the safety node of a running graph


def parser() -> argparse.ArgumentParser:
    """Declare the arguments of `mat-ros resume`."""
    parser = argparse.ArgumentParser(prog="mat-ros resume", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="", help="name of the robot; without it, the command asks for it")
    parser.add_argument("--namespace", default="", help="namespace of the running graph")
    return parser


def main(arguments: list[str]) -> int:
    """Run `mat-ros resume`, and return 1 if it undid nothing."""
    given = parser().parse_args(arguments)
    latched = stops()
    for stop in latched:
        print(f"{stop.robot}: stopped since {stop.at}: {stop.cause}")
    if not latched:
        print("no stop is latched")
        return 0 if not given.name else 1
    name = given.name or input("Name the robot that may move again: ").strip()
    known = {stop.robot for stop in latched}
    if name not in known:
        raise Refused("robot", f"one of {sorted(known)}", name or "none", "look at the robot, then name it")
    print(_resume(name, given.namespace))
    return 0


def _resume(robot: str, namespace: str) -> str:
    """Ask the safety node of a running graph; without one, undo the stop on disk."""
    try:
        answer = _ask(robot, namespace)
    except (ImportError, Missing):
        stop: Stop | None = StopLatch(robot).release(robot)
        return f"{robot} may move at the next launch" if stop is not None else "no stop was latched"
    if not answer.success:
        raise Refused("resume", "a robot that its safety node releases", answer.message, "see the log of the graph")
    return f"{robot} may move again ({answer.message})"


def _ask(robot: str, namespace: str) -> Any:
    """Call the service of the safety node. A stop can be undone without ROS, so the message is imported here."""
    from mat_ros.srv import Resume

    return call(namespace, Resume, "resume", Resume.Request(robot=robot), "a safety node",
                "launch one, in the same namespace and ROS domain", PATIENCE_S)
