# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros new-robot: read a robot's MJCF or URDF, and write a folder that trains, checks, launches, breaks and records.

The folder holds the robot file, the simulated robot, a first task, an adapter with a stand-in for the robot, and tests.
Every value that the model file does not state is listed, and marked `guess` in the robot file.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from mat_ros.newrobot.folder import SPLITS, NewRobot, new_robot


def parser() -> argparse.ArgumentParser:
    """Declare the arguments of `mat-ros new-robot`."""
    parser = argparse.ArgumentParser(prog="mat-ros new-robot", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="model of the robot: MJCF (.xml) or URDF (.urdf)")
    parser.add_argument("--name", default="", help="name of the robot: small letters, digits and _; else the file's")
    parser.add_argument("--split", choices=SPLITS, default=SPLITS[0],
                        help="what one agent moves in the printed commands: a joint, or a limb")
    parser.add_argument("--into", type=Path, metavar="DIR", help="new or empty folder; else one with the robot's name")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def main(arguments: list[str]) -> int:
    """Run `mat-ros new-robot`."""
    given = parser().parse_args(arguments)
    written = new_robot(given.file, given.name, given.split, given.into)
    print(json.dumps(asdict(written), default=str, indent=1) if given.json else shown(written))
    return 0


def shown(written: NewRobot) -> str:
    """Return what was written as text, for people."""
    lines = [f"{written.folder}: {written.kind} with {len(written.joints)} joints, from {written.format}, "
             f"angles in {written.angles}"]
    lines += [f"  warning: {warning}" for warning in written.warnings]
    lines += [f"  guessed: {guess}" for guess in written.guessed]
    readme = (written.folder / "README.md").read_text(encoding="utf-8")
    return "\n".join([*lines, "", readme.partition("\n\n")[2].strip()])
