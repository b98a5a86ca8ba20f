# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros diff: find the first tick, slot and field in which two recordings differ."""

from __future__ import annotations

import argparse
from pathlib import Path

from mat_ros.cli.replay import show
from mat_ros.core.record.diff import diff
from mat_ros.core.record.recording import Recording


def parser() -> argparse.ArgumentParser:
    """Declare the arguments of `mat-ros diff`."""
    parser = argparse.ArgumentParser(prog="mat-ros diff", description="Compare two recordings tick by tick, without "
                                     "times, stamps and process ids.")
    parser.add_argument("a", type=Path)
    parser.add_argument("b", type=Path)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def main(arguments: list[str]) -> int:
    """Run `mat-ros diff`; the status is 1 where anything differs."""
    given = parser().parse_args(arguments)
    report = diff(Recording.load(given.a, required=()), Recording.load(given.b, required=()))
    show(report, given.json, "compared", f"{given.a.name} and {given.b.name}")
    return int(report.differing > 0 or report.unmatched > 0)
