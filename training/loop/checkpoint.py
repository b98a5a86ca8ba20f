# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Write and read checkpoints: the data for resuming, evaluating and exporting, in plain files.

A run folder:

    config.yaml                     the TrainConfig of the run (plain values)
    metrics.csv                     one line per update
    tensorboard/                    the same metrics as events
    checkpoints/
      step_000000400000/            one folder per checkpoint, renamed into place when complete
        manifest.yaml               its fields stand below
        policy.safetensors          the policy's state dict: keys as in training.models.policy
        training.safetensors        the tensors for resuming, by prefix: `learner/` optimiser and value normaliser,
                                    `environment/` physics, counters and the last observation (rank, ...),
                                    `normaliser/` count, mean, sum of squares, `episodes/` the last returns

manifest.yaml holds:

    schema                 1
    algorithm              mat | mappo | ...        (TrainConfig.algorithm)
    policy                 mat | marwkv4 | ... | mlp (TrainConfig.policy)
    policy_config          PolicyConfig.to_dict() of a sequence policy; absent for mlp
    task, robot, split     names; robot is a file of mat_ros/config/robots, split one of its splits
    agents                 names, in chain order
    layout                 Layout.to_dict(), what the agents observe; null where no robot measures it
    obs_mask, act_mask     (agent, dim) lists of true and false; false is padding
    normaliser             {clip, mean, std}: (agent, obs_dim) lists, float32 values that read back bit-equal; columns
                           that are not normalised have mean 0 and std 1. obs -> clip((obs - mean) / std, -clip, clip);
                           id columns lie inside any clip, so the clip leaves them unchanged
    information            intent | truth           what successors received for a broken joint
    faults                 name of the fault plan, or none
    steps, updates, seed   environment steps and updates so far, and the seed
    returns                mean return and length of the last episodes, as in the training log
    command, commit        command that started the run; git commit of the working tree
    packages               versions of python, torch, numpy, mujoco, gymnasium, mat_ros
    config                 the TrainConfig (plain values)

Observation statistics belong to a policy as its weights do: never evaluate a policy with those of another.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mat_ros.core.errors import Refused

SCHEMA = 1
MANIFEST, POLICY, TRAINING = "manifest.yaml", "policy.safetensors", "training.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """Hold the content of a checkpoint folder."""

    manifest: Mapping[str, Any]
    policy: dict[str, Tensor]
    training: dict[str, Tensor]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Return the training tensors of one owner, without the prefix."""
        start = f"{prefix}/"
        return {name.removeprefix(start): tensor for name, tensor in self.training.items() if name.startswith(start)}


def write_checkpoint(run: Path, steps: int, checkpoint: Checkpoint, keep: int) -> Path:
    """Write a checkpoint completely or not at all, then remove the oldest checkpoints beyond `keep`."""
    folder = run / "checkpoints"
    final = folder / f"step_{steps:012d}"
    staging: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
        save_file(_plain(checkpoint.policy), staging / POLICY)
        save_file(_plain(checkpoint.training), staging / TRAINING)
        text = yaml.safe_dump({"schema": SCHEMA, **checkpoint.manifest}, sort_keys=False, width=120)
        (staging / MANIFEST).write_text(text, encoding="utf-8")
        for file in staging.iterdir():
            _flush(file)
        staging.chmod(0o755)
        if final.exists():
            shutil.rmtree(final)
        os.replace(staging, final)
        _flush(folder)
    except (OSError, SafetensorError) as error:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
        raise Refused(f"checkpoint {final}", "room and permission to write it", error,
                      "free space or choose another --run; the earlier checkpoints are intact") from error
    for old in checkpoints_of(run)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def checkpoints_of(run: Path) -> list[Path]:
    """Return the complete checkpoints of a run, oldest first."""
    return sorted(path for path in (run / "checkpoints").glob("step_*") if (path / MANIFEST).is_file())


def newest_checkpoint(run: Path) -> Path:
    """Return the newest checkpoint of a run folder. The folder of a checkpoint returns itself."""
    if (run / MANIFEST).is_file():
        return run
    found = checkpoints_of(run)
    if not found:
        raise Refused(f"run {run}", "a folder with checkpoints", "none", "give the folder of a run that has started")
    return found[-1]


def read_checkpoint(path: Path) -> Checkpoint:
    """Return the checkpoint of a folder. Refuse a damaged folder in one sentence."""
    try:
        manifest = yaml.load((path / MANIFEST).read_text(encoding="utf-8"), Loader=_LOADER)
        if not isinstance(manifest, dict) or not isinstance(manifest.get("schema"), int):
            raise Refused(f"checkpoint {path}", "a manifest of this project", "something else", "choose another folder")
        if manifest["schema"] > SCHEMA:
            raise Refused(f"checkpoint {path}, schema", f"at most {SCHEMA}", manifest["schema"],
                          "install a newer mat_ros")
        return Checkpoint(manifest, load_file(path / POLICY), load_file(path / TRAINING))
    except (OSError, yaml.YAMLError, SafetensorError) as error:
        raise Refused(f"checkpoint {path}", "readable manifest and tensors", error,
                      "choose an intact checkpoint of the run") from error


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return copies on the CPU that share no memory, as safetensors requires."""
    return {name: torch.as_tensor(tensor).detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
