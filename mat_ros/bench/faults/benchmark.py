# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run a fault benchmark: the cells of every policy, live graphs of some cells, and a close-up of each policy.

Every cell of the grid runs the same episodes: the same starts, and for every policy the same faults (paired seeds). The
raw table `episodes.csv` is written cell by cell, so that a killed run can continue at the cell that it had reached.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mat_ros.bench.faults.cells import Setup, Worker, rows_of
from mat_ros.bench.faults.figures import headline, read_table, shown_cells, truth_against_intent
from mat_ros.bench.faults.film import strip
from mat_ros.bench.faults.findings import CloseUp, Findings
from mat_ros.bench.faults.grid import Cell, Grid, matching
from mat_ros.bench.faults.live import Live, compare
from mat_ros.bench.faults.table import COLUMNS, Rows, Table
from mat_ros.core import shipped
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.spread import spread
from mat_ros.worlds.batch import MujocoWorld
from mat_ros.worlds.randomise import PHYSICS
from mat_ros.worlds.task import task_of


def find(given: argparse.Namespace, command: str) -> Findings:
    """Run the benchmark of these arguments and return its findings; `command` is the command line that repeats it."""
    grid = shipped.config_file("grids", given.grid).resolve()
    setups, live = {}, Live()
    for name in given.policy:
        folder = shipped.policy_folder(name).resolve()
        bundle = Bundle.load(folder)
        setup = Setup(str(folder), given.backend, str(grid), given.episodes, given.seed, given.ticks, given.mode)
        cells = with_physics(matching(Grid.load(grid, bundle.manifest).cells, given.only), bundle)
        setups[bundle.manifest.name] = setup
        out = given.out / bundle.manifest.name
        run(setup, cells, out / "episodes.csv", given.processes, given.ray)
        if given.live:
            live.run(setup, bundle, cells, given.live, given.live_only or (), out / "live.csv")
    episodes = read_table([given.out / name / "episodes.csv" for name in setups])
    close_ups = tuple(look_closely(setup, [row for row in episodes if row["policy"] == name])
                      for name, setup in setups.items())
    return Findings(command, episodes, headline(episodes), truth_against_intent(episodes),
                    compare(episodes, live.files), tuple(live.left_out), close_ups)


def with_physics(cells: Sequence[Cell], bundle: Bundle) -> Sequence[Cell]:
    """Return the cells without those that change physics which the world of the policy lacks."""
    changing = [cell for cell in cells if any(row.what in PHYSICS for row in cell.table)]
    if not changing or isinstance(task_of(bundle.manifest).open(1), MujocoWorld):
        return cells
    print(f"{len(changing)} cells of changed physics are left out: {bundle.manifest.world} is no world of MuJoCo",
          file=sys.stderr, flush=True)
    return [cell for cell in cells if cell not in changing]


def run(setup: Setup, cells: Sequence[Cell], out: Path, processes: int = 0, ray: str = "") -> None:
    """Run the cells that `out` lacks in processes or on a Ray cluster, and append their rows."""
    table = Table(out, COLUMNS, setup.episodes, setup.origin())
    done = table.finished()
    left = [cell for cell in cells if cell.key not in done]
    if left:
        print(f"{out.parent.name}: {len(left)} of {len(cells)} cells are left, of {setup.episodes} episodes each; the "
              "first also learns how healthy joints move", file=sys.stderr, flush=True)
    began = time.monotonic()
    for count, (cell, rows) in enumerate(spread(rows_of, setup, left, processes, ray), 1):
        table.add(rows)
        spent = time.monotonic() - began
        mean = float(np.mean([row["return"] for row in rows]))
        print(f"{len(cells) - len(left) + count}/{len(cells)}  {spent / count * (len(left) - count) / 60:5.1f} min left"
              f"   {cell.words}: {mean:.4g}", file=sys.stderr, flush=True)


def look_closely(setup: Setup, episodes: Rows) -> CloseUp:
    """Return a policy's close-up: the influence of its slots, and pictures of its worst and its mildest cell."""
    cells = shown_cells(episodes)
    worker = Worker(replace(setup, episodes=1), learn=bool(cells))
    return CloseUp(worker.bundle.manifest.name, worker.influence(), tuple(strip(worker, cell) for cell in cells))
