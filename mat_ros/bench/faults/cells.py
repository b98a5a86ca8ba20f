# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run the cells of a grid of faults: one policy, the same episodes in every cell."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mat_ros.backends.choose import open_backend
from mat_ros.bench.faults.episodes import EpisodeResults
from mat_ros.bench.faults.findings import SlotInfluence
from mat_ros.bench.faults.grid import Cell, Grid
from mat_ros.bench.faults.influence import influence_on_successors
from mat_ros.bench.faults.lockstep import LockStep, LockStepSettings
from mat_ros.bench.faults.table import GAP, KEY, UNTOLD
from mat_ros.core.faults.detect import Model
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.robot.observe import Observer
from mat_ros.core.tick.decide import Decider
from mat_ros.worlds.world import World

LEARNING_SEED = 977  # seed of the episodes from which the detector learns; no cell runs these episodes
RECOVERED = 0.8  # share of the earlier reward from which on the reward counts as recovered
RECOVERY_S = 1.0  # window over which both rewards are averaged
INFLUENCE_TICKS = 60  # ticks over which the influence of slots is averaged


@dataclass(frozen=True)
class Setup:
    """Hold what a worker needs to run any cell of one policy."""

    policy: str  # folder
    backend: str
    grid: str  # file
    episodes: int
    seed: int
    ticks: int | None
    mode: str

    def origin(self) -> dict[str, object]:
        """Return the settings that all rows of a table share. Digests stand for the policy and the grid."""
        content = yaml.safe_load(Path(self.grid).read_text(encoding="utf-8"))  # comments change no cell
        grid = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
        return {"policy": Bundle.load(Path(self.policy)).digest, "grid": grid, "backend": self.backend,
                "mode": self.mode, "seed": self.seed, "ticks": self.ticks}


class Worker:
    """Run cells of one policy, with the same simulated robots in every cell except gaps."""

    def __init__(self, setup: Setup, learn: bool = True) -> None:
        self.setup, self.bundle = setup, Bundle.load(Path(setup.policy))
        self.backend = open_backend(setup.backend, self.bundle)
        self.grid = Grid.load(Path(setup.grid), self.bundle.manifest)
        self._whole = self._lockstep(())
        self.model: Model | None = self._whole.learn(LEARNING_SEED) if learn else None

    def _lockstep(self, table: tuple[Any, ...]) -> LockStep:
        settings = LockStepSettings(mode=self.setup.mode, table=table, scatter=self.grid.scatter)
        return LockStep(self.bundle, self.backend, self.setup.episodes, settings)

    @property
    def world(self) -> World:
        """Return the simulated robots with the trained physics."""
        return self._whole.world.world

    def onset(self) -> int:
        """Return the tick at which the faults start."""
        return self.grid.onset(self.bundle.manifest.period_ns, self.setup.ticks or self._whole.score.horizon)

    def episodes(self, cell: Cell, ticks: int | None = None,
                 watch: Callable[[int], None] | None = None) -> EpisodeResults:
        """Run the episodes of a cell for at most `ticks`; `watch` is called after each tick."""
        lockstep = self._whole
        if cell.level == GAP:
            lockstep = self._lockstep(cell.table)
            lockstep.model = self.model
        schedules = [cell.schedule(self.bundle.manifest, self.onset(), self.setup.seed + k)
                     for k in range(self.setup.episodes)]
        return lockstep.run(self.setup.seed, schedules, cell.information, self.setup.ticks if ticks is None else ticks,
                            watch=watch)

    def rows(self, cell: Cell) -> list[dict[str, Any]]:
        """Run a cell and return a row of the table for each episode."""
        found, onset = self.episodes(cell), self.onset()
        joints = len(self.bundle.manifest.joints)
        rows = []
        for k in range(self.setup.episodes):
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
            rows.append({"policy": self.bundle.manifest.name, **dict(zip(KEY, cell.key, strict=True)),
                         "episode": k, **values})
        return rows

    def influence(self, ticks: int = INFLUENCE_TICKS) -> SlotInfluence:
        """Average the influence of slots on each other, and the critic's values, over the first ticks of an episode."""
        manifest = self.bundle.manifest
        seen = self._whole.run(self.setup.seed, ticks=ticks, keep=True)
        decider = Decider(self.backend, manifest.network, manifest.state)
        encoded = [self.backend.encode(obs) for obs in Observer(manifest.layout).observe(seen.signals[:-1, 0])]
        moved = np.mean([influence_on_successors(decider, enc) for enc, _ in encoded], axis=0)
        return SlotInfluence(tuple(agent.name for agent in manifest.agents), moved,
                             np.mean([values for _, values in encoded], axis=0))


def recovery(rewards: np.ndarray, onset: int, period_ns: int) -> int:
    """Return the ticks from the onset until the reward has recovered and does not fall again.

    0: the reward never fell. -1: the reward had not recovered at the end of the episode. -2: the episode is too short
    before or after the onset.
    """
    window = max(1, round(RECOVERY_S * 1e9 / period_ns))
    if onset < window or len(rewards) < onset + window:
        return UNTOLD
    total = np.cumsum(np.append(0.0, rewards))
    mean = (total[window:] - total[:-window]) / window  # mean[k]: over the ticks k .. k + window - 1
    before = mean[max(0, onset - 2 * window):onset - window + 1].mean()
    low = np.flatnonzero(mean[onset:] < before - (1 - RECOVERED) * abs(before))
    if not len(low):
        return 0
    return -1 if low[-1] == len(mean) - onset - 1 else int(low[-1]) + 1


_worker: Worker | None = None  # worker of this process, used again for the next cell


def rows_of(setup: Setup, cell: Cell) -> tuple[Cell, list[dict[str, Any]]]:
    """Run a cell with the worker of this process, and return the cell and its rows."""
    global _worker
    if _worker is None or _worker.setup != setup:
        _worker = Worker(setup)
    return cell, _worker.rows(cell)
