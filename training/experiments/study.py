# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Train the missing runs of an experiment, evaluate them, and write one table."""

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

RETRIES = 3  # largest number of restarts of a run that has died
JOINTS = ("bfoot", "bshin", "bthigh", "ffoot", "fshin", "fthigh")


@dataclass(frozen=True)
class StudyConfig:
    """Set the scale and the place of an experiment."""

    steps: int = 10_000_000
    """A full training takes this many environment steps."""
    seeds: tuple[int, ...] = (1,)
    """Each training is repeated with these seeds."""
    out: Path = Path("runs/experiments")
    """Runs, tables and plots are written into this folder."""
    settings: tuple[str, ...] = ()
    """Every run gets these further settings, as NAME=VALUE. They win over the preset's."""
    parallel: int = 1
    """This machine trains this many runs at a time."""
    ray: str = ""
    """Ray trains the runs: `local`, or the address of a cluster."""
    episodes: int = 32
    """Each evaluation has this many episodes."""


@dataclass(frozen=True)
class StudyRun:
    """Describe one training of an experiment."""

    name: str
    preset: str
    seed: int
    settings: Mapping[str, str | int]

    def job(self, config: StudyConfig) -> Job:
        """Return the command line of this training as a job."""
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
        """Return the folder of this training."""
        return (config.out / f"{self.name}_s{self.seed}").resolve()


def train_all(runs: Sequence[StudyRun], config: StudyConfig) -> None:
    """Train the runs that are not trained yet."""
    jobs = [run.job(config) for run in runs]
    results = run_jobs(jobs, config.parallel, config.ray, RETRIES)
    failed = [name for name, status in results if status]
    if failed:
        raise RuntimeError(f"expected every run to finish, got failures in {failed}; read their output.log")


def score(run: StudyRun, config: StudyConfig, fault: str = "", information: str = "trained") -> dict[str, Any]:
    """Evaluate the newest checkpoint of a run, deterministically, and return a row of the table."""
    torch.set_num_threads(1)
    checkpoint = read_checkpoint(newest_checkpoint(run.folder(config)))
    outcome = evaluate(checkpoint, config.episodes, 1_000_000, True, fault, information)
    found = outcome.summary()
    return {"run": run.name, "seed": run.seed, "steps": checkpoint.manifest["steps"], "fault": fault or "none",
            **{name: f"{found[name]:.6g}" for name in ("mean", "low", "high", "std")}}


def write_table(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows that have the same columns."""
    kept = list(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(kept[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
    print(f"wrote {path}")


def curves_of(runs: Sequence[StudyRun], config: StudyConfig) -> tuple[str, ...]:
    """Return one entry NAME=FOLDERS for `training.plot` for all seeds of equal names."""
    names = dict.fromkeys(run.name for run in runs)
    return tuple(f"{name}=" + ",".join(str(run.folder(config)) for run in runs if run.name == name) for name in names)
