# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the seconds until HalfCheetah 6x1 first reaches a return in training, in the yardstick and in this project.

    python -m training.experiments.time_to_return --json

The yardstick has its legacy quirks. The sides run one after the other, with the same number of threads. A return is the
mean of the last hundred training episodes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from training.bench.plain import PlainTrainer
from training.envs import make
from training.loop.trainer import Trainer
from training.run.config import TrainConfig

EPISODES = 100  # number of episodes in the mean of a return
Iterate = Callable[[], float]  # collects and learns once, and returns the return; NaN before an episode has ended


@dataclass(frozen=True)
class RaceConfig:
    """Set the goals and the limits of the race."""

    json: bool = False
    """One JSON object is printed instead of a line for each side."""
    goals: tuple[float, ...] = (2000.0, 3500.0)
    """These returns are to be reached, in ascending order."""
    steps: int = 2_000_000
    """A side gives up after this many environment steps."""
    threads: int = 2
    """Torch and our simulator use this many threads. The yardstick has a process per environment besides."""
    seed: int = 1
    """Both sides start from this seed."""
    sides: tuple[str, ...] = ("plain", "ours")
    """These sides run: the yardstick (plain) and this project (ours)."""


def race(iterate: Iterate, samples: int, goals: tuple[float, ...], limit: int,
         clock: Callable[[], float] = time.perf_counter) -> dict[str, Any]:
    """Iterate until the last goal is reached or the steps are used up; return when each goal was reached."""
    began, steps, found = clock(), 0, float("nan")
    reached: dict[str, dict[str, float]] = {}
    while len(reached) < len(goals) and steps < limit:
        found, steps = iterate(), steps + samples
        for goal in goals[len(reached):]:
            if not found >= goal:
                break
            reached[f"{goal:g}"] = {"steps": steps, "seconds": round(clock() - began, 1)}
    return {"steps": steps, "seconds": round(clock() - began, 1), "return": round(found, 1), "reached": reached}


@contextmanager
def plain(config: RaceConfig) -> Iterator[Iterate]:
    """Yield a training in the structure and the environment of the first public code."""
    trainer = PlainTrainer("mat", config.seed)

    def iterate() -> float:
        trainer.iterate()
        return float(np.mean(trainer.returns[-EPISODES:])) if trainer.returns else float("nan")

    try:
        yield iterate
    finally:
        trainer.close()


@contextmanager
def ours(config: RaceConfig) -> Iterator[Iterate]:
    """Yield a training as `python -m training.train` runs it."""
    settings = TrainConfig(threads=config.threads, seed=config.seed, run=Path(os.devnull))
    trainer = Trainer(settings, make(settings.task, settings.envs, threads=config.threads))
    yield lambda: trainer.iterate()["return"]


SIDES = {"plain": plain, "ours": ours}


def main() -> int:
    """Run the command line."""
    config = tyro.cli(RaceConfig, prog="python -m training.experiments.time_to_return", description=__doc__)
    torch.set_num_threads(config.threads)
    result: dict[str, Any] = {"cores": os.cpu_count(), "threads": config.threads, "load": os.getloadavg()[0]}
    for side in config.sides:
        with SIDES[side](config) as iterate:
            result[side] = race(iterate, TrainConfig().samples, config.goals, config.steps)
        if not config.json:
            print(f"{side}: {result[side]}", flush=True)
    result["load_after"] = os.getloadavg()[0]
    if config.json:
        print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
