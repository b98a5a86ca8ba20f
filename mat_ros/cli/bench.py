# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros bench: measure latencies, or the return of a policy under faults.

Each benchmark is a module with `parser()` and `main(arguments)`, looked up by name and imported only when it is called.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
from types import ModuleType

BENCHES = {
    "backends": ("time of encoding and deciding, for each backend", "mat_ros.bench.backends"),
    "decode": ("time of one GPU launch that decides for many robots", "mat_ros.bench.decode"),
    "chain": ("time of a tick of the live graph, for each wiring and mode", "mat_ros.bench.chain"),
    "recovery": ("recovery of the live graph after a node is killed or stopped", "mat_ros.bench.recovery"),
    "soak": ("memory, descriptors and commands of a graph that runs for hours", "mat_ros.bench.soak"),
    "faults": ("return of a policy under faults", "mat_ros.bench.faults.command"),
}


def benches() -> dict[str, str]:
    """Return the benchmarks of this version: name -> what the benchmark measures."""
    return {name: text for name, (text, module) in BENCHES.items() if importlib.util.find_spec(module)}


def bench(name: str) -> ModuleType:
    """Import the module of a benchmark and return it."""
    return importlib.import_module(BENCHES[name][1])


def parser() -> argparse.ArgumentParser:
    """Declare the arguments of `mat-ros bench`: a benchmark, and the arguments of the benchmark."""
    lines = "\n".join(f"  {name:<10}{text}" for name, text in benches().items())
    parser = argparse.ArgumentParser(prog="mat-ros bench", usage="mat-ros bench WHAT ...", epilog=lines,
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=sorted(benches()), help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def main(arguments: list[str]) -> int:
    """Run one of the benchmarks."""
    given = parser().parse_args(arguments)
    status: int | None = bench(given.what).main(given.arguments)
    return status or 0
