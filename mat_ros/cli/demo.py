# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros demo: two hands push a double door open, decided finger by finger over DDS, even when a node is killed."""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
from pathlib import Path

from mat_ros.core import shipped
from mat_ros.core.progress import StepProgress
from mat_ros.core.shipped import check_writable
from mat_ros.demo.run import INTERRUPTED, JOINT_POLICY, POLICY, DemoRun, run
from mat_ros.graph import ros_environment

DOMAINS = range(1, 100)  # the DDS ports of domains above 101 may collide with ephemeral ports


def parser() -> argparse.ArgumentParser:
    """Declare the arguments of `mat-ros demo`."""
    parser = argparse.ArgumentParser(prog="mat-ros demo", description=__doc__)
    parser.add_argument("--per-joint", action="store_true", help="a process for each joint instead of each finger")
    parser.add_argument("--no-fault", action="store_true", help="kill no node")
    parser.add_argument("--view", action="store_true", help="show the run in Rerun afterwards (pip extra viz); without "
                        "a display, write mat_ros.rrd into --out")
    parser.add_argument("--out", type=Path, default=Path("reports/demo"), help="folder of report.html [%(default)s]")
    parser.add_argument("--policy", default="", help="another policy of two hands: a shipped name or a folder")
    parser.add_argument("--seed", type=int, default=0, help="seed of the simulated world [%(default)s]")
    return parser


def main(arguments: list[str]) -> int:
    """Run the demonstration, write its report, and print its result as one line of JSON."""
    given = parser().parse_args(arguments)
    # A random domain separates this graph from other graphs on this machine.
    os.environ.setdefault("ROS_DOMAIN_ID", str(random.SystemRandom().choice(DOMAINS)))
    ros_environment.set_defaults()
    ros_environment.keep_to_loopback()

    # MuJoCo and Rerun are extras. --help works without them, and a missing one is refused before any process starts.
    from mat_ros.demo import report as demo_report

    if given.view:
        from mat_ros.view import rerun
        from mat_ros.view.rerun_viewer import rerun_file
    check_writable(given.out / "report.html")
    name = given.policy or (JOINT_POLICY if given.per_joint else POLICY)
    with tempfile.TemporaryDirectory(prefix="mat_ros_log_") as logs:  # keeps log files out of the user's home
        os.environ["ROS_LOG_DIR"] = logs
        found = run(shipped.policy_folder(name).resolve(), given.per_joint, not given.no_fault, given.seed)
    if found.trouble == INTERRUPTED:  # keep the report of an earlier run: the user has stopped this one
        print(f"{sentence(found)} No report is written.")
        return 130
    report = given.out / "report.html"
    command = " ".join(["mat-ros demo", *arguments])
    with StepProgress("demo", 1) as progress:
        progress.step("draw the report")
        film = demo_report.write(found, report, command)
    if given.view and film is not None:
        file = rerun_file("", given.out)
        stream = rerun.Stream(found.planned.bundle.manifest, given.seed, file)
        stream.feed(found.watch)
        stream.close()
        if file is not None:
            print(f"This machine has no display. `rerun {file}` shows the run on one that has.")
    print(f"{sentence(found)}\nreport: {report}")
    if film is not None and film.trouble:
        print(f"The report has no pictures: {film.trouble}.")
    print(json.dumps(found.summary()))
    return 0 if found.success else 1


def sentence(found: DemoRun) -> str:
    """Return the result of the run in words."""
    if found.trouble:
        return f"The run broke off: {found.trouble}."
    health = found.watch.health
    open_at_end = sum(episode.success for episode in found.episodes)
    opened = f"The door was open at the end of {open_at_end} of {len(found.episodes)} episodes"
    killed = f", although {found.killed} was killed at tick {found.killed_tick}" if found.killed else ""
    return f"{opened}{killed}; {health.compared} ticks were decided again in one process, {health.differing} differ."
