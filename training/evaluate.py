# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluate a checkpoint on seeded episodes, whole and with faults: `python -m training.evaluate runs/mat`."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

from mat_ros.core.errors import Missing, Refused
from mat_ros.core.statistics import estimate
from training.algos import build_learner
from training.envs import make
from training.envs.protocol import Environment
from training.loop.checkpoint import Checkpoint, newest_checkpoint, read_checkpoint
from training.loop.trainer import environment_options
from training.run.config import TrainConfig
from training.run.learner import Learner
from training.run.normalise import ObservationNormaliser

FIELDS = ("checkpoint", "steps", "task", "mode", "fault", "information", "episodes", "seed", "mean", "low", "high",
          "std", "median", "length", "success")


@dataclass(frozen=True)
class EvaluateConfig:
    """Evaluate a policy."""

    checkpoint: Annotated[Path, tyro.conf.Positional]
    """This checkpoint, or the newest one of this run folder, is evaluated."""
    episodes: int = 32
    """Each cell of the table has this many episodes, each with its own start state."""
    seed: int = 1_000_000
    """The start states are drawn from this seed, far from those of training."""
    modes: tuple[Literal["deterministic", "stochastic"], ...] = ("deterministic", "stochastic")
    """The policy takes its mean action, or samples."""
    faults: tuple[str, ...] = ("",)
    """The table has a row for each fault plan. `each:off` breaks each joint in turn; an empty word breaks nothing."""
    information: Literal["intent", "truth", "trained"] = "trained"
    """Successors receive intended actions (intent), what broken joints do (truth), or as in training (trained)."""
    csv: Path | None = None
    """The table is appended to this file."""
    returns: Path | None = None
    """The return of each episode is appended to this file."""
    json: bool = False
    """Each cell is printed as a JSON object on a line of its own, and nothing else is printed."""


@dataclass(frozen=True)
class Evaluation:
    """Hold the results of one cell's episodes."""

    returns: NDArray[np.float64]  # (episode,)
    lengths: NDArray[np.float64]
    successes: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def summary(self) -> dict[str, float]:
        """Return the mean return, its 95 % bootstrap interval, and the returns' standard deviation and median."""
        mean = estimate([self.returns], np.mean)
        return {"mean": float(mean.middle), "low": float(mean.low), "high": float(mean.high),
                "std": float(self.returns.std()), "median": float(np.median(self.returns)),
                "length": float(self.lengths.mean()),
                "success": float(self.successes.mean()) if len(self.successes) else float("nan")}


def load_policy(checkpoint: Checkpoint, environment: Environment) -> tuple[Learner, ObservationNormaliser]:
    """Return the policy of a checkpoint and its observation statistics."""
    config = replace(TrainConfig.from_dict(checkpoint.manifest["config"]), threads=1, device="cpu")
    learner = build_learner(config, environment.spec)
    learner.load_policy(checkpoint.policy)
    mask = environment.spec.normalise_mask if config.normalise else np.zeros_like(environment.spec.normalise_mask)
    normaliser = ObservationNormaliser(mask, checkpoint.manifest["normaliser"]["clip"])
    normaliser.restore({name: tensor.numpy() for name, tensor in checkpoint.part("normaliser").items()})
    return learner, normaliser


def run_episodes(environment: Environment, learner: Learner, normaliser: ObservationNormaliser, seed: int,
                 deterministic: bool) -> Evaluation:
    """Run one episode in every copy and return the results. The statistics stay unchanged."""
    obs, generator = environment.reset(seed), torch.Generator().manual_seed(seed)
    found: dict[str, NDArray[np.float64]] = {name: np.full(environment.count, np.nan)
                                             for name in ("episode_return", "episode_length", "success")}
    waiting = np.ones(environment.count, bool)
    while waiting.any():
        share = environment.share() if environment.spec.information == "truth" else None
        actions, _, _ = learner.act(normaliser.apply(obs), generator, deterministic, share)
        obs, _, _, _, info = environment.step(actions)
        first = waiting[info["ended"]]
        rows = info["ended"][first]
        for name in found:
            if name in info and len(rows):
                found[name][rows] = np.asarray(info[name])[first]
        waiting[rows] = False
    success = found["success"]
    return Evaluation(found["episode_return"], found["episode_length"], success[np.isfinite(success)])


def evaluate(checkpoint: Checkpoint, episodes: int, seed: int, deterministic: bool, fault: str = "",
             information: str = "trained") -> Evaluation:
    """Evaluate one cell: one fault plan, one information, and mean or sampled actions."""
    config = TrainConfig.from_dict(checkpoint.manifest["config"])
    truth_or_intent: Any = config.information if information == "trained" else information
    options = environment_options(replace(config, faults=fault, information=truth_or_intent, curriculum=0.0,
                                          physics_threads=1))
    environment = make(config.task, episodes, **options)
    learner, normaliser = load_policy(checkpoint, environment)
    return run_episodes(environment, learner, normaliser, seed, deterministic)


def fault_grid(names: Sequence[str], checkpoint: Checkpoint) -> list[str]:
    """Return the fault plans, with `each:kind` replaced by one plan per joint."""
    grid = []
    for name in names:
        if name.startswith("each:"):
            layout = checkpoint.manifest["layout"]
            joints = next(term["elements"] for term in layout["terms"] if term["name"] == "joint_position")
            grid += [f"{joint}:{name.removeprefix('each:')}" for joint in joints]
        else:
            grid.append("" if name == "none" else name)
    return grid


def main() -> int:
    """Run the command line."""
    config = tyro.cli(EvaluateConfig, prog="python -m training.evaluate", description=__doc__)
    torch.set_num_threads(1)
    try:
        path = newest_checkpoint(config.checkpoint)
        checkpoint = read_checkpoint(path)
        if not config.json:
            print(f"{path.parent.parent.name}, {checkpoint.manifest['steps']:,} steps, {config.episodes} episodes")
            print(f"{'fault':24} {'actions':14} {'return':>9}   [95 % interval of the mean]", flush=True)
        for fault in fault_grid(config.faults, checkpoint):
            for mode in config.modes:
                outcome = evaluate(checkpoint, config.episodes, config.seed, mode == "deterministic", fault,
                                   config.information)
                _report(config, checkpoint, mode, fault, outcome)
    except (Refused, Missing) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _report(config: EvaluateConfig, checkpoint: Checkpoint, mode: str, fault: str, outcome: Evaluation) -> None:
    row = outcome.summary()
    success = row["success"] if len(outcome.successes) else None
    if config.json:
        print(json.dumps({"task": checkpoint.manifest["task"], "mode": mode, "fault": fault or "none",
                          "episodes": config.episodes, "return_mean": row["mean"],
                          "return_ci": [row["low"], row["high"]], "success": success}), flush=True)
    else:
        done = "" if success is None else f"   success {100 * success:.1f} %"
        print(f"{fault or 'none':24} {mode:14} {row['mean']:9.1f}   [{row['low']:.1f}, {row['high']:.1f}]{done}",
              flush=True)
    facts = {"checkpoint": config.checkpoint.name, "steps": checkpoint.manifest["steps"],
             "task": checkpoint.manifest["task"], "mode": mode, "fault": fault or "none",
             "information": config.information, "episodes": config.episodes, "seed": config.seed}
    if config.csv:
        _append(config.csv, FIELDS, [{**facts, **{k: f"{v:.6g}" for k, v in row.items()}}])
    if config.returns:
        columns = ("checkpoint", "steps", "mode", "fault", "episode", "return")
        kept = {name: facts[name] for name in columns[:4]}
        _append(config.returns, columns, [{**kept, "episode": k, "return": f"{value:.6g}"}
                                          for k, value in enumerate(outcome.returns)])


def _append(path: Path, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
