# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run cells of a fault benchmark as live graphs: node processes over DDS, free-running against the wall clock.

Each episode has its own graph, which starts without a fault. The episode has the same start and the same fault schedule
as in lock-step. The graph receives the schedule as a fault plan, so that the simulated robot, the receivers and the
injector break the same parts as in any deployment. The simulated robot records the return. The safety gate records the
time of each command.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mat_ros.bench.faults.cells import Setup
from mat_ros.bench.faults.figures import column, grouped, read_rows
from mat_ros.bench.faults.grid import Cell, Grid
from mat_ros.bench.faults.table import GAP, KEY, NOMINAL, Rows, Table
from mat_ros.core.errors import Missing, Refused
from mat_ros.core.faults.plan_file import plan_text
from mat_ros.core.options import Value
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.shipped import install_command
from mat_ros.graph.build import Graph
from mat_ros.graph.deployment import plan_bundle
from mat_ros.graph.launcher import Supervisor
from mat_ros.graph.settings import LaunchSettings
from mat_ros.nodes.preload import preload
from mat_ros.worlds.task import task_of

COLUMNS = ("policy", *KEY, "episode", "return", "ticks", "missing", "commands", "latency_p50_ms", "latency_p99_ms",
           "load")
SUBSET = ("actuator:off:*", "message:drop:*", "node:crash:*")  # the first of the most severe cells of each pattern runs
DOMAIN = "88"  # ROS domain that only this benchmark uses
START_S = 90.0  # longest wait for the start of all nodes
SLOWER = 3.0  # factor by which a live episode may take longer than its simulated time
PUMP_S = 0.5


def live_cells(cells: Sequence[Cell], patterns: Sequence[str] = ()) -> list[Cell]:
    """Return the cells to run live: the nominal cell, and those of the patterns or one cell of each in `SUBSET`."""
    able = [cell for cell in cells if cell.level not in (NOMINAL, GAP) and cell.information != "oracle"]
    if patterns:
        chosen = [cell for cell in able if any(cell.fits(pattern) for pattern in patterns)]
        if not chosen:
            raise Refused("--live-only", "patterns that match cells of the grid after --only",
                          list(patterns), "correct them, or leave --only out")
    else:
        found = [[cell for cell in able if cell.fits(pattern)] for pattern in SUBSET]
        chosen = [max(some, key=lambda cell: cell.severity) for some in found if some]
    return [cell for cell in cells if cell.level == NOMINAL] + chosen


@dataclass
class Live:
    """Hold the cells that ran live, and the cells that could not."""

    files: list[Path] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # a sentence for each cell

    def run(self, setup: Setup, bundle: Bundle, cells: Sequence[Cell], episodes: int, patterns: Sequence[str],
            out: Path) -> None:
        """Run the cells that `out` lacks and append their rows; a cell that fails is left out, and the others run."""
        if importlib.util.find_spec("rclpy") is None:
            raise Missing("ROS, which --live needs,", f"run {install_command('ros')}, or leave out --live")
        table = Table(out, COLUMNS, episodes, setup.origin())
        done = table.finished()
        self.files.append(out)
        for cell in live_cells(cells, patterns):
            if cell.key in done:
                continue
            rows = []
            for number in range(episodes):
                row, trouble = episode(setup, bundle, cell, number)
                if row is None:
                    self.left_out.append(f"{bundle.manifest.name}, {cell.words}: {trouble}")
                    print(self.left_out[-1], file=sys.stderr, flush=True)
                    break
                rows.append(row)
            else:
                table.add(rows)
                print(f"live   {cell.words}: {np.mean([row['return'] for row in rows]):.4g}, "
                      f"{sum(row['missing'] for row in rows)} decisions missed", file=sys.stderr, flush=True)


def lay_out(setup: Setup, bundle: Bundle, cell: Cell, number: int, onset: int, folder: Path) -> Graph:
    """Return the graph of an episode. The robot ends the episode and writes its result; the gate writes its times."""
    manifest, grid = bundle.manifest, Grid.load(Path(setup.grid), bundle.manifest)
    schedule = cell.schedule(manifest, onset, setup.seed + number)
    faults = folder / "plan.yaml"
    faults.write_text(plan_text(schedule, cell.words, manifest.period_ns), encoding="utf-8")
    settings = LaunchSettings(sim="free", episodes=1, seed=setup.seed, mode=setup.mode, backend=setup.backend,
                              check=False, chain_information=cell.information,
                              faults=str(faults) if schedule.faults else "")
    graph = plan_bundle(settings, bundle).graph
    own: dict[str, dict[str, Value]] = {
        "sim": {"results": str(folder / "results.jsonl"), "number": number, "ticks": setup.ticks or 0,
                "scatter_rad": grid.scatter.joint_position},
        "safety": {"trace": str(folder / "trace.npy")}}
    dead = {fault.target for fault in schedule.faults if (fault.level, fault.kind) == ("node", "crash")}
    return replace(graph, nodes=tuple(
        replace(spec, parameters={**spec.parameters, **own.get(spec.name, {})},
                respawn=spec.respawn and spec.name not in dead) for spec in graph.nodes))


def episode(setup: Setup, bundle: Bundle, cell: Cell, number: int, start_s: float = START_S
            ) -> tuple[dict[str, Any] | None, str]:
    """Run an episode and return its row, or None and the reason."""
    manifest = bundle.manifest
    horizon = setup.ticks or task_of(manifest).horizon
    onset = Grid.load(Path(setup.grid), manifest).onset(manifest.period_ns, horizon)
    patience_s = start_s + SLOWER * horizon * manifest.period_ns * 1e-9
    said: deque[str] = deque(maxlen=1)
    with tempfile.TemporaryDirectory(prefix="mat_ros_live_") as name:
        folder = Path(name)
        graph = lay_out(setup, bundle, cell, number, onset, folder)
        variables = {"ROS_DOMAIN_ID": DOMAIN, "ROS_LOG_DIR": name}
        end = time.monotonic() + patience_s
        with Supervisor(graph, lambda node, line: said.append(f"{node}: {line}"), variables,
                        preload=partial(preload, bundle, setup.backend)) as supervisor:
            while supervisor.status is None and time.monotonic() < end:
                supervisor.pump(PUMP_S)
            load = os.getloadavg()[0]
            last = f"the last line of a log was `{said[-1]}`" if said else "no node wrote a line"
        results, trace = folder / "results.jsonl", folder / "trace.npy"
        if not results.exists() or not trace.exists():
            return None, f"the graph finished no episode within {patience_s:.0f} s; {last}."
        result = json.loads(results.read_text(encoding="utf-8").splitlines()[0])
        measured = commands(np.load(trace), result["ticks"], onset, len(manifest.joints), manifest.period_ns)
        return {"policy": manifest.name, **dict(zip(KEY, cell.key, strict=True)), "episode": number,
                "return": result["total"], "ticks": result["ticks"], **measured, "load": round(load, 1)}, ""


def commands(trace: NDArray[np.int64], ticks: int, onset: int, joints: int, period_ns: int) -> dict[str, float]:
    """Return the number of decisions (joints x ticks) that came too late, and percentiles of the commands' times.

    The gate also sends commands without a new observation. Only the first command of a tick belongs to its observation.
    """
    _, first = np.unique(trace[:, 0], return_index=True)
    seen = trace[first]
    seen = seen[seen[:, 0] < ticks]
    latency_ns = seen[:, 4]
    late = latency_ns > period_ns
    missing = int(seen[~late, 1].sum()) + joints * (int(late.sum()) + ticks - len(seen))
    after = latency_ns[seen[:, 0] >= onset] * 1e-6
    p50, p99 = np.percentile(after, (50, 99)) if len(after) else (math.nan, math.nan)
    return {"missing": missing, "commands": ticks * joints, "latency_p50_ms": round(float(p50), 3),
            "latency_p99_ms": round(float(p99), 3)}


def compare(rows: Rows, files: Sequence[Path]) -> Rows:
    """Return a line for each live cell, beside the same episodes of the same cell in lock-step."""
    lockstep = {(r["policy"], *(r[name] for name in KEY), r["episode"]): r["return"] for r in rows}
    found = []
    for key, part in grouped(read_rows([file for file in files if file.exists()]), "policy", *KEY).items():
        episodes = [(*key, r["episode"]) for r in part]
        twins = [lockstep[episode] for episode in episodes if episode in lockstep]
        found.append({
            **dict(zip(("policy", *KEY), key, strict=True)), "episodes": len(part),
            "lockstep": float(np.mean(twins)) if twins else math.nan, "live": float(column(part, "return").mean()),
            "missing": int(column(part, "missing").sum()),
            "availability": 1.0 - float(column(part, "missing").sum() / column(part, "commands").sum()),
            "p50_ms": float(np.median(column(part, "latency_p50_ms"))),
            "p99_ms": float(column(part, "latency_p99_ms").max()), "load": float(column(part, "load").mean())})
    return found
