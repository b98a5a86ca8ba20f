# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros bench faults: break one thing after the other and measure what is left of a policy.

Every cell of the grid runs the same episodes: the same starts, and for every policy the same faults (paired seeds). The
raw table `episodes.csv` is written cell by cell, so that a run that was killed goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mat_ros.backends.choose import BACKENDS
from mat_ros.bench.faults.cells import Setup, Worker, rows_of
from mat_ros.bench.faults.figures import headline, read_table, scenes, truth_against_intent
from mat_ros.bench.faults.film import strip
from mat_ros.bench.faults.findings import CloseUp, Findings
from mat_ros.bench.faults.grid import Cell, Grid, matching
from mat_ros.bench.faults.live import Live, compare
from mat_ros.bench.faults.report import write_report
from mat_ros.bench.faults.summary import write_summary
from mat_ros.bench.faults.table import COLUMNS, Rows, Table
from mat_ros.core import shipped
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.spread import spread
from mat_ros.core.tick.chain import MODES


def run(setup: Setup, cells: Sequence[Cell], out: Path, processes: int = 0, ray: str = "") -> None:
    """Run the cells that `out` lacks, over processes or a Ray cluster, and append their rows."""
    table = Table(out, COLUMNS, setup.episodes, setup.origin())
    done = table.finished()
    left = [cell for cell in cells if cell.key not in done]
    began = time.monotonic()
    for count, (cell, rows) in enumerate(spread(rows_of, setup, left, processes, ray), 1):
        table.add(rows)
        spent = time.monotonic() - began
        mean = float(np.mean([row["return"] for row in rows]))
        print(f"{len(cells) - len(left) + count}/{len(cells)}  {spent / count * (len(left) - count) / 60:5.1f} min left"
              f"   {cell.words}: {mean:.4g}", file=sys.stderr, flush=True)


def look_closely(setup: Setup, episodes: Rows) -> CloseUp:
    """Look at a policy's slots, and film its worst and its mildest cell."""
    shown = scenes(episodes)
    worker = Worker(replace(setup, episodes=1), learn=bool(shown))
    return CloseUp(worker.bundle.manifest.name, worker.influence(), tuple(strip(worker, scene) for scene in shown))


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="mat-ros bench faults", description="Measure what faults leave of a policy.")
    parser.add_argument("--policy", action="append", required=True, help="bundle, by name or folder; may be repeated")
    parser.add_argument("--grid", default="grid", help="grid of faults: a shipped name or a YAML file")
    parser.add_argument("--episodes", type=int, default=32, help="paired episodes per cell")
    parser.add_argument("--ticks", type=int, help="length of an episode; default: the task's")
    parser.add_argument("--only", default="*", help="cells whose level:kind:target this pattern selects")
    parser.add_argument("--mode", default="optimistic", choices=MODES,
                        help="patience of the chain where messages or nodes break")
    parser.add_argument("--backend", default="auto", choices=BACKENDS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=0,
                        help="cells at a time; default: one here, as many as the cluster has processors on Ray")
    parser.add_argument("--ray", default="", help="spread over Ray instead: `local`, or the address of a cluster whose "
                        "machines have the package, the policy and the grid in the same places")
    parser.add_argument("--live", type=int, default=0, metavar="N", help="also run N episodes of some cells as a live "
                        "graph of node processes over DDS, free-running against the wall clock; 0: none")
    parser.add_argument("--live-only", action="append", metavar="PATTERN", help="cells to run live, by the patterns of "
                        "--only, beside the nominal one; may be repeated; default: the first actuator that is off, the "
                        "most messages dropped, and the first node that crashes; not possible for gaps and oracles")
    parser.add_argument("--out", type=Path, required=True, help="folder of the tables and report.html")
    parser.add_argument("--json", action="store_true", help="print the headline table as JSON")
    return parser


def main(arguments: list[str]) -> int:
    """Run `mat-ros bench faults`."""
    given = make_parser().parse_args(arguments)
    grid = shipped.config_file("grids", given.grid).resolve()
    setups, live = {}, Live()
    for name in given.policy:
        folder = shipped.policy_folder(name).resolve()
        bundle = Bundle.load(folder)
        setup = Setup(str(folder), given.backend, str(grid), given.episodes, given.seed, given.ticks, given.mode)
        cells = matching(Grid.load(grid, bundle.manifest).cells, given.only)
        setups[bundle.manifest.name] = setup
        out = given.out / bundle.manifest.name
        run(setup, cells, out / "episodes.csv", given.processes, given.ray)
        if given.live:
            live.run(setup, bundle, cells, given.live, given.live_only or (), out / "live.csv")
    episodes = read_table([given.out / name / "episodes.csv" for name in setups])
    close_ups = tuple(look_closely(setup, [row for row in episodes if row["policy"] == name])
                      for name, setup in setups.items())
    findings = Findings("mat-ros bench faults " + shlex.join(arguments), episodes, headline(episodes),
                        truth_against_intent(episodes), compare(episodes, live.files), tuple(live.left_out), close_ups)
    write_report(given.out / "report.html", findings)
    write_summary(given.out / "summary.md", findings)
    if given.json:
        print(json.dumps(findings.conditions))
    else:
        print(given.out / "report.html")
    return 0
