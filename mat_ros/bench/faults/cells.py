# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run the cells of a grid of faults: one policy, the same episodes in every cell."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mat_ros.backends.choose import open_backend
from mat_ros.bench.faults.episodes import EpisodeResults
from mat_ros.bench.faults.grid import GAP, Cell, Grid
from mat_ros.bench.faults.influence import influence_on_successors
from mat_ros.bench.faults.lockstep import LockStep, LockStepSettings
from mat_ros.bench.faults.table import UNTOLD
from mat_ros.core.faults.detect import Model
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.robot.observe import Observer
from mat_ros.core.tick.decide import Decider

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
        settings = LockStepSettings(mode=self.plan.mode, table=table, scatter=self.grid.scatter)
        return LockStep(self.bundle, self.backend, self.plan.episodes, settings)

    def onset(self) -> int:
        """Give the tick at which things break."""
        return self.grid.onset(self.bundle.manifest.period_ns, self.plan.ticks or self._whole.score.horizon)

    def episodes(self, cell: Cell) -> EpisodeResults:
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
    moved = np.mean([influence_on_successors(decider, enc) for enc, _ in encoded], axis=0)
    return ((manifest.name, [agent.name for agent in manifest.agents]), moved,
            np.mean([values for _, values in encoded], axis=0))


_worker: Worker | None = None  # of this process


def rows_of(plan: Plan, cell: Cell) -> tuple[Cell, list[dict[str, Any]]]:
    """Run a cell with the simulated robots that this process keeps."""
    global _worker
    if _worker is None or _worker.plan != plan:
        _worker = Worker(plan)
    return cell, _worker.rows(cell)
