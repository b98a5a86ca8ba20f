# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluate a policy on seeded episodes, whole and with faults: `python -m training.evaluate runs/mat`.

With `--gate` each cell is run twice: plainly, as in training, and behind the safety gate, as on a robot.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro

from mat_ros.core import shipped
from mat_ros.core.errors import Missing, Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.worlds.scatter import Scatter
from training.algos import build_learner
from training.deployed import run_bundle
from training.envs import make
from training.envs.protocol import GOALS, Environment
from training.envs.robot import RobotEnvironment
from training.evaluation import Evaluation, FirstEpisodes
from training.export import ExportConfig, export_run
from training.loop.checkpoint import POLICY, Checkpoint, checkpoints_of, newest_checkpoint, read_checkpoint
from training.loop.trainer import environment_options
from training.run.config import TrainConfig
from training.run.learner import Learner
from training.run.normalise import ObservationNormaliser

FIELDS = ("checkpoint", "steps", "task", "mode", "fault", "information", "gate", "scatter", "episodes", "seed", "mean",
          "low", "high", "std", "median", "length", "reached", "reached_low", "reached_high", "success", "success_low",
          "success_high")


@dataclass(frozen=True)
class EvaluateConfig:
    """Evaluate a policy."""

    checkpoint: Annotated[Path, tyro.conf.Positional]
    """This checkpoint, the newest one of this run folder, or this bundle (a folder or a shipped name) is evaluated."""
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
    gate: bool = False
    """Each cell also runs behind the safety gate, with the commands of a deployment. A checkpoint is exported first."""
    scatter: float = 0.0
    """The start pose of each hinge moves by at most this many rad, at random. Otherwise a door always starts alike."""
    csv: Path | None = None
    """The table is appended to this file."""
    returns: Path | None = None
    """The return of each episode is appended to this file."""
    json: bool = False
    """Each cell is printed as a JSON object on a line of its own, and nothing else is printed."""


@dataclass(frozen=True)
class Subject:
    """Hold the policy that is evaluated: a checkpoint, a bundle, or both."""

    checkpoint: Checkpoint | None
    bundle: Bundle | None
    name: str
    steps: int
    task: str
    joints: tuple[str, ...]  # whose positions the agents observe

    def evaluate(self, config: EvaluateConfig, deterministic: bool, fault: str, gated: bool) -> Evaluation:
        """Evaluate one cell, plainly or behind the gate."""
        if self.checkpoint is not None and not gated:
            return evaluate(self.checkpoint, config.episodes, config.seed, deterministic, fault, config.information,
                            config.scatter)
        assert self.bundle is not None
        manifest = self.bundle.manifest
        information = manifest.chain_information if config.information == "trained" else config.information
        options = {"information": information, "layout": manifest.layout} | ({"faults": fault} if fault else {})
        environment = make(manifest.task, config.episodes, **options)
        _scatter(environment, config.scatter)
        if not isinstance(environment, RobotEnvironment):
            raise Refused(f"task {manifest.task}", "a robot that this project steps", "none", "leave out --gate")
        return run_bundle(self.bundle, environment, config.seed, deterministic, gated)



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
    episodes = FirstEpisodes(environment.count)
    while episodes.waiting.any():
        share = environment.share() if environment.spec.information == "truth" else None
        actions, _, _ = learner.act(normaliser.apply(obs), generator, deterministic, share)
        obs, _, _, _, info = environment.step(actions)
        episodes.take(info)
    return episodes.evaluation()


def evaluate(checkpoint: Checkpoint, episodes: int, seed: int, deterministic: bool, fault: str = "",
             information: str = "trained", scatter: float = 0.0) -> Evaluation:
    """Evaluate one cell: one fault plan, one information, and mean or sampled actions."""
    config = TrainConfig.from_dict(checkpoint.manifest["config"])
    truth_or_intent: Any = config.information if information == "trained" else information
    options = environment_options(replace(config, faults=fault, information=truth_or_intent, curriculum=0.0,
                                          physics_threads=1))
    environment = make(config.task, episodes, **options)
    _scatter(environment, scatter)
    learner, normaliser = load_policy(checkpoint, environment)
    return run_episodes(environment, learner, normaliser, seed, deterministic)


def _scatter(environment: Environment, largest: float) -> None:
    """Move the start poses of all copies by offsets of at most so many rad."""
    if not largest:
        return
    if not isinstance(environment, RobotEnvironment):
        raise Refused("scatter", "0, since nothing here is a pose", largest, "leave it out")
    environment.world.scatter = Scatter(largest)


def fault_grid(names: Sequence[str], joints: Sequence[str]) -> list[str]:
    """Return the fault plans, with `each:kind` replaced by one plan per joint."""
    grid = []
    for name in names:
        if name.startswith("each:"):
            grid += [f"{joint}:{name.removeprefix('each:')}" for joint in joints]
        else:
            grid.append("" if name == "none" else name)
    return grid


def find_subject(config: EvaluateConfig, folder: Path) -> Subject:
    """Return the policy of a run, a checkpoint or a bundle. With a gate, a checkpoint is exported below `folder`."""
    path = config.checkpoint
    if not (path / POLICY).is_file() and not checkpoints_of(path):
        bundle = Bundle.load(shipped.policy_folder(str(path)))
        manifest = bundle.manifest
        return Subject(None, bundle, manifest.name, manifest.training.steps, manifest.task,
                       _joints(manifest.layout.to_dict()))
    path = newest_checkpoint(path)
    checkpoint = read_checkpoint(path)
    exported = export_run(ExportConfig(path, folder / "bundle")) if config.gate else None
    return Subject(checkpoint, exported, config.checkpoint.name, checkpoint.manifest["steps"],
                   checkpoint.manifest["task"], _joints(checkpoint.manifest["layout"]))


def _joints(layout: dict[str, Any] | None) -> tuple[str, ...]:
    terms = [] if layout is None else layout["terms"]
    return next((tuple(term["elements"]) for term in terms if term["name"] == "joint_position"), ())


def main() -> int:
    """Run the command line."""
    config = tyro.cli(EvaluateConfig, prog="python -m training.evaluate", description=__doc__)
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory(prefix="mat_ros_evaluate_") as folder:
            subject = find_subject(config, Path(folder))
            if not config.json:
                print(f"{subject.name}, {subject.steps:,} steps, {config.episodes} episodes")
                print(f"{'fault':24} {'actions':14} {'gate':4} {'return':>9}   [95 % interval of the mean]", flush=True)
            for fault in fault_grid(config.faults, subject.joints):
                for mode in config.modes:
                    for gated in (False, True)[:1 + config.gate]:
                        outcome = subject.evaluate(config, mode == "deterministic", fault, gated)
                        _report(config, subject, mode, fault, gated, outcome)
    except (Refused, Missing) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _report(config: EvaluateConfig, subject: Subject, mode: str, fault: str, gated: bool, outcome: Evaluation) -> None:
    row, gate = outcome.summary(), "on" if gated else "off"
    goals = [name for name in GOALS if len(getattr(outcome, name))]
    if config.json:
        shares = {name: row[name] if name in goals else None for name in GOALS}
        intervals = {f"{name}_ci": [row[f"{name}_low"], row[f"{name}_high"]] for name in goals}
        print(json.dumps({"task": subject.task, "mode": mode, "fault": fault or "none", "gate": gate,
                          "episodes": config.episodes, "return_mean": row["mean"],
                          "return_ci": [row["low"], row["high"]], **shares, **intervals}), flush=True)
    else:
        done = "".join(f"   {name} {100 * row[name]:.1f} %" for name in goals)
        found = f"{row['mean']:9.1f}   [{row['low']:.1f}, {row['high']:.1f}]{done}"
        print(f"{fault or 'none':24} {mode:14} {gate:4} {found}", flush=True)
    facts = {"checkpoint": subject.name, "steps": subject.steps, "task": subject.task, "mode": mode,
             "fault": fault or "none", "information": config.information, "gate": gate, "scatter": config.scatter,
             "episodes": config.episodes, "seed": config.seed}
    if config.csv:
        _append(config.csv, FIELDS, [{**facts, **{k: f"{v:.6g}" for k, v in row.items()}}])
    if config.returns:
        columns = ("checkpoint", "steps", "mode", "fault", "gate", "episode", "return")
        kept = {name: facts[name] for name in columns[:5]}
        _append(config.returns, columns, [{**kept, "episode": k, "return": f"{value:.6g}"}
                                          for k, value in enumerate(outcome.returns)])


def _append(path: Path, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists()
    if not fresh and (found := path.read_text(encoding="utf-8").partition("\n")[0]) != ",".join(columns):
        raise Refused(f"table {path}", f"the columns {','.join(columns)}", found, "name a new file")
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
