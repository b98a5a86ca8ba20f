# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros bench faults: break one thing after the other and measure what is left of a policy.

Every cell of the grid runs the same episodes: the same starts, and for every policy the same faults (paired seeds). The
raw table `episodes.csv` is written cell by cell, so that a run that was killed goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mat_ros import shipped
from mat_ros.backends.choose import BACKENDS, open_backend
from mat_ros.core.bundle import Bundle
from mat_ros.core.decide import Decider
from mat_ros.core.detect import Model
from mat_ros.core.influence import influence
from mat_ros.core.observe import Observer
from mat_ros.episodes import Episodes
from mat_ros.fault_grid import GAP, Cell, Grid, matching
from mat_ros.fault_table import UNTOLD, Table
from mat_ros.lockstep import LockStep
from mat_ros.spread import spread

COLUMNS = ("policy", "level", "kind", "severity", "target", "information", "episode", "return", "ticks",
           "detect_ticks", "false_alarms", "recover_ticks", "missing", "commands", "outside_before", "outside_after",
           "clamped", "latency_p50_ms", "latency_p99_ms", "computing_p50_us", "computing_p99_us", "computing_max_us")
LEARNING_SEED = 977  # of the episodes from which the detector learns; no cell runs them
RECOVERED = 0.8  # of the reward before the fault, over RECOVERY_S
RECOVERY_S = 1.0


@dataclass(frozen=True)
class Plan:
    """What a worker needs to run any cell."""

    policy: str  # folder
    backend: str
    grid: str
    episodes: int
    seed: int
    ticks: int | None
    mode: str

    def origin(self) -> dict[str, object]:
        """Give what the rows of a table have in common, wherever policy and grid lie."""
        grid = hashlib.sha256(Path(self.grid).read_bytes()).hexdigest()
        return {"policy": Bundle.load(Path(self.policy)).digest, "grid": grid, "backend": self.backend,
                "mode": self.mode, "seed": self.seed, "ticks": self.ticks}


class Worker:
    """Run cells of one policy; it keeps the simulated robots from cell to cell."""

    def __init__(self, plan: Plan, learn: bool = True) -> None:
        self.plan, self.bundle = plan, Bundle.load(Path(plan.policy))
        self.backend = open_backend(plan.backend, self.bundle)
        self.grid = Grid.load(Path(plan.grid), self.bundle.manifest)
        self._whole = self._lockstep(())
        self.model: Model | None = self._whole.learn(LEARNING_SEED) if learn else None

    def _lockstep(self, table: tuple[Any, ...]) -> LockStep:
        return LockStep(self.bundle, self.backend, self.plan.episodes, mode=self.plan.mode, table=table,
                        scatter=self.grid.scatter)

    def onset(self) -> int:
        """Give the tick at which things break."""
        return self.grid.onset(self.bundle.manifest.period_ns, self.plan.ticks or self._whole.score.horizon)

    def episodes(self, cell: Cell) -> Episodes:
        """Run a cell."""
        lockstep = self._whole
        if cell.level == GAP:
            lockstep = self._lockstep(cell.table)
            lockstep.model = self.model
        schedules = [cell.schedule(self.bundle.manifest, self.onset(), self.plan.seed + k)
                     for k in range(self.plan.episodes)]
        return lockstep.run(self.plan.seed, schedules, cell.information, self.plan.ticks)

    def rows(self, cell: Cell) -> list[dict[str, Any]]:
        """Run a cell and give a row of the table for each episode."""
        found, onset = self.episodes(cell), self.onset()
        joints = len(self.bundle.manifest.joints)
        rows = []
        for k in range(self.plan.episodes):
            ticks = int(found.lengths[k])
            latency = found.latency_ns[onset:ticks, k] * 1e-6
            computing = found.computing_ns[:ticks, k] * 1e-3
            values: dict[str, Any] = {
                "return": float(found.returns[k]), "ticks": ticks,
                "detect_ticks": int(found.detected[k]) - onset if found.detected[k] >= 0 else -1,
                "false_alarms": int(found.alarmed[k].sum()),
                "recover_ticks": recovery(found.rewards[:ticks, k], onset, self.bundle.manifest.period_ns),
                "missing": int(found.missing[k]), "commands": ticks * joints,
                "outside_before": int(found.outside_before[k]), "outside_after": int(found.outside_after[k]),
                "clamped": int(found.clamped[k])}
            for share in (50, 99):
                values[f"latency_p{share}_ms"] = float(np.percentile(latency, share)) if latency.any() else 0.0
                values[f"computing_p{share}_us"] = float(np.percentile(computing, share))
            values["computing_max_us"] = float(computing.max())
            rows.append({"policy": self.bundle.manifest.name, **dict(zip(COLUMNS[1:6], cell.key, strict=True)),
                         "episode": k, **values})
        return rows


def recovery(rewards: np.ndarray, onset: int, period_ns: int) -> int:
    """Give the ticks after the onset until the reward is for good what it was before.

    0: it never fell, -1: it never was, -2: it cannot be told, since the episode is too short before or after the onset.
    """
    window = max(1, round(RECOVERY_S * 1e9 / period_ns))
    if onset < window or len(rewards) < onset + window:
        return UNTOLD
    total = np.cumsum(np.append(0.0, rewards))
    mean = (total[window:] - total[:-window]) / window  # [k]: of the ticks k .. k + window - 1
    before = mean[max(0, onset - 2 * window):onset - window + 1].mean()
    low = np.flatnonzero(mean[onset:] < before - (1 - RECOVERED) * abs(before))
    if not len(low):
        return 0
    return -1 if low[-1] == len(mean) - onset - 1 else int(low[-1]) + 1


def influence_of(plan: Plan, ticks: int = 60) -> tuple[tuple[str, list[str]], np.ndarray, np.ndarray]:
    """Average the influence of slots on each other, and the critic's values, over the first ticks of an episode."""
    worker = Worker(replace(plan, episodes=1), learn=False)
    manifest = worker.bundle.manifest
    seen = worker._whole.run(plan.seed, ticks=ticks, keep=True)
    decider = Decider(worker.backend, manifest.network, manifest.state)
    encoded = [worker.backend.encode(obs) for obs in Observer(manifest.layout).observe(seen.signals[:-1, 0])]
    moved = np.mean([influence(decider, enc) for enc, _ in encoded], axis=0)
    return ((manifest.name, [agent.name for agent in manifest.agents]), moved,
            np.mean([values for _, values in encoded], axis=0))


_worker: Worker | None = None  # of this process


def rows_of(plan: Plan, cell: Cell) -> tuple[Cell, list[dict[str, Any]]]:
    """Run a cell with the simulated robots that this process keeps."""
    global _worker
    if _worker is None or _worker.plan != plan:
        _worker = Worker(plan)
    return cell, _worker.rows(cell)


def run(plan: Plan, cells: Sequence[Cell], out: Path, processes: int = 0, ray: str = "") -> None:
    """Run the cells that `out` lacks, over processes or a Ray cluster, and append their rows."""
    table = Table(out, COLUMNS, plan.episodes, plan.origin())
    done = table.finished()
    left = [cell for cell in cells if cell.key not in done]
    began = time.monotonic()
    for count, (cell, rows) in enumerate(spread(rows_of, plan, left, processes, ray), 1):
        table.add(rows)
        spent = time.monotonic() - began
        mean = float(np.mean([row["return"] for row in rows]))
        print(f"{len(cells) - len(left) + count}/{len(cells)}  {spent / count * (len(left) - count) / 60:5.1f} min left"
              f"   {cell.words}: {mean:.4g}", file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """Run `mat-ros bench faults`."""
    parser = argparse.ArgumentParser(prog="mat-ros bench faults", description="Measure what faults leave of a policy.")
    parser.add_argument("--policy", action="append", required=True, help="bundle, by name or folder; may be repeated")
    parser.add_argument("--grid", default="grid", help="grid of faults: a shipped name or a YAML file")
    parser.add_argument("--episodes", type=int, default=32, help="paired episodes per cell")
    parser.add_argument("--ticks", type=int, help="length of an episode; default: the task's")
    parser.add_argument("--only", default="*", help="cells whose level:kind:target this pattern selects")
    parser.add_argument("--mode", default="optimistic", choices=("strict", "bounded", "optimistic"),
                        help="patience of the chain where messages or nodes break")
    parser.add_argument("--backend", default="auto", choices=("auto", *BACKENDS))
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
    given = parser.parse_args(arguments)
    from mat_ros.fault_figures import headline, read_table
    from mat_ros.fault_report import write_report
    from mat_ros.fault_summary import write_summary
    from mat_ros.live_faults import Live, compare

    grid = shipped.config_file("grids", given.grid).resolve()
    plans, live = {}, Live()
    for name in given.policy:
        folder = shipped.policy_folder(name).resolve()
        bundle = Bundle.load(folder)
        plan = Plan(str(folder), given.backend, str(grid), given.episodes, given.seed, given.ticks, given.mode)
        cells = matching(Grid.load(grid, bundle.manifest).cells, given.only)
        plans[bundle.manifest.name] = plan
        out = given.out / bundle.manifest.name
        run(plan, cells, out / "episodes.csv", given.processes, given.ray)
        if given.live:
            live.run(plan, bundle, cells, given.live, given.live_only or (), out / "live.csv")
    table = read_table([given.out / name / "episodes.csv" for name in plans])
    lines = compare(table, live.files)
    command = "mat-ros bench faults " + shlex.join(arguments)
    write_report(given.out / "report.html", table, plans, command, lines, live.left_out)
    write_summary(given.out / "summary.md", table, command, lines, live.left_out)
    if given.json:
        print(json.dumps(headline(table)))
    else:
        print(given.out / "report.html")
    return 0
