# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros bench faults: break one part after the other and measure the remaining return of a policy."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path

from mat_ros.backends.choose import BACKENDS
from mat_ros.bench.faults.report import write_report
from mat_ros.bench.faults.summary import write_summary
from mat_ros.core.tick.chain import MODES


def parser() -> argparse.ArgumentParser:
    """Declare the arguments of `mat-ros bench faults`."""
    parser = argparse.ArgumentParser(prog="mat-ros bench faults", description="Measure a policy's return under faults.")
    parser.add_argument("--policy", action="append", required=True, help="bundle, by name or folder; may be repeated")
    parser.add_argument("--grid", default="grid", help="grid of faults: a shipped name or a YAML file")
    parser.add_argument("--episodes", type=int, default=32, help="paired episodes per cell")
    parser.add_argument("--ticks", type=int, help="ticks of an episode; default: the length in the task")
    parser.add_argument("--only", default="*", help="run only cells whose level:kind:target matches this pattern")
    parser.add_argument("--mode", default="optimistic", choices=MODES,
                        help="mode of the chain where messages or nodes break")
    parser.add_argument("--backend", default="auto", choices=BACKENDS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=0,
                        help="cells that run at once; default: 1, on Ray one per processor")
    parser.add_argument("--ray", default="", help="run the cells on Ray: `local`, or the address of a cluster whose "
                        "machines have the package, the policy and the grid under the same paths")
    parser.add_argument("--live", type=int, default=0, metavar="N", help="also run N episodes of some cells as a live "
                        "graph of node processes over DDS, free-running against the wall clock; 0: no live graph")
    parser.add_argument("--live-only", action="append", metavar="PATTERN", help="pattern, as in --only, of cells to "
                        "run live beside the nominal cell; may be repeated; default: the first actuator that is off, "
                        "the largest share of dropped messages, and the first node that crashes; cells of gaps and "
                        "oracles cannot run live")
    parser.add_argument("--out", type=Path, required=True, help="folder of the tables and report.html")
    parser.add_argument("--json", action="store_true", help="print the headline table as JSON")
    return parser


def main(arguments: list[str]) -> int:
    """Run `mat-ros bench faults`."""
    given = parser().parse_args(arguments)
    from mat_ros.bench.faults import benchmark  # imported here: MuJoCo is an extra, and --help works without MuJoCo

    findings = benchmark.find(given, "mat-ros bench faults " + shlex.join(arguments))
    write_report(given.out / "report.html", findings)
    write_summary(given.out / "summary.md", findings)
    if given.json:
        print(json.dumps(findings.conditions))
    else:
        print(given.out / "report.html")
    return 0
