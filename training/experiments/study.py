# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""What the experiments share: train what is missing, evaluate it, write one table."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training.evaluate import evaluate
from training.loop.checkpoint import newest_checkpoint, read_checkpoint
from training.sweep import Job, run_jobs, words_of

RETRIES = 3  # how often a run may die
JOINTS = ("bfoot", "bshin", "bthigh", "ffoot", "fshin", "fthigh")


@dataclass(frozen=True)
class StudyConfig:
    """Settings of every experiment."""

    steps: int = 10_000_000
    """Environment steps of a full training run."""
    seeds: tuple[int, ...] = (1,)
    """Seeds of each run."""
    out: Path = Path("runs/experiments")
    """Folder for runs, tables and plots."""
    settings: tuple[str, ...] = ()
    """Further settings for every run, as NAME=VALUE; they win over the preset's."""
    parallel: int = 1
    """Runs at a time on this machine."""
    ray: str = ""
    """Use Ray: `local`, or the address of a cluster."""
    episodes: int = 32
    """Episodes of each evaluation."""


@dataclass(frozen=True)
class StudyRun:
    """One training of an experiment."""

    name: str
    preset: str
    seed: int
    settings: Mapping[str, str | int]

    def job(self, config: StudyConfig) -> Job:
        """Say how to train it."""
        run = self.folder(config)
        words = ["--preset", self.preset, "--run", str(run), "--seed", str(self.seed)]
        steps = self.settings.get("steps", config.steps)
        words += ["--steps", str(steps), *words_of(config.settings)]
        for name, value in self.settings.items():
            flag = f"--{name.replace('_', '-')}"
            if name != "steps":
                words += [flag] if value is True else [flag, str(value)]
        return Job(run.name, tuple(words), run)

    def folder(self, config: StudyConfig) -> Path:
        """Say where it lives."""
        return (config.out / f"{self.name}_s{self.seed}").resolve()


def train_all(runs: Sequence[StudyRun], config: StudyConfig) -> None:
    """Train what is not trained yet."""
    jobs = [run.job(config) for run in runs]
    results = run_jobs(jobs, config.parallel, config.ray, RETRIES)
    failed = [name for name, status in results if status]
    if failed:
        raise RuntimeError(f"expected every run to finish, got failures in {failed}; read their output.log")


def score(run: StudyRun, config: StudyConfig, fault: str = "", information: str = "trained") -> dict[str, Any]:
    """Evaluate the newest checkpoint of a run, deterministically."""
    torch.set_num_threads(1)
    checkpoint = read_checkpoint(newest_checkpoint(run.folder(config)))
    outcome = evaluate(checkpoint, config.episodes, 1_000_000, True, fault, information)
    found = outcome.summary()
    return {"run": run.name, "seed": run.seed, "steps": checkpoint.manifest["steps"], "fault": fault or "none",
            **{name: f"{found[name]:.6g}" for name in ("mean", "low", "high", "std")}}


def write_table(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows that share their columns."""
    kept = list(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(kept[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
    print(f"wrote {path}")


def curves_of(runs: Sequence[StudyRun], config: StudyConfig) -> tuple[str, ...]:
    """Group the seeds of equal names, as `training.plot` reads them."""
    names = dict.fromkeys(run.name for run in runs)
    return tuple(f"{name}=" + ",".join(str(run.folder(config)) for run in runs if run.name == name) for name in names)
