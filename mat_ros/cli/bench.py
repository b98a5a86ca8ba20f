# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros bench: measure latency, or what faults leave of a policy."""

from __future__ import annotations

import argparse
import importlib
import importlib.util

BENCHES = {
    "backends": ("how long encoding and deciding take, by backend", "mat_ros.bench.backends"),
    "decode": ("how long one GPU launch takes that decides for many robots", "mat_ros.bench.decode"),
    "chain": ("how long a tick of the live graph takes, by wiring and mode", "mat_ros.bench.chain"),
    "recovery": ("what it costs when nodes of the live graph are killed or stopped", "mat_ros.bench.recovery"),
    "faults": ("what faults leave of a policy", "mat_ros.bench.faults.command"),
}


def main(arguments: list[str]) -> int:
    """Run one of the benchmarks."""
    here = {name: row for name, row in BENCHES.items() if importlib.util.find_spec(row[1])}
    lines = "\n".join(f"  {name:<10}{text}" for name, (text, _) in here.items())
    parser = argparse.ArgumentParser(prog="mat-ros bench", usage="mat-ros bench WHAT ...", epilog=lines,
                                     formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    parser.add_argument("what", choices=sorted(here), help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    status: int | None = importlib.import_module(here[given.what][1]).main(given.arguments)
    return status or 0
