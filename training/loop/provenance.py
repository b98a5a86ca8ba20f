# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Describe where a policy comes from, so that the policy can be made again: the manifest of a checkpoint."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.envs.protocol import Spec
from training.run.config import TrainConfig
from training.run.learner import Learner
from training.run.normalise import ObservationNormaliser

PACKAGES = ("torch", "numpy", "mujoco", "gymnasium", "mat_ros")


def commit() -> str:
    """Return the git commit of the working tree, with a mark for changes, or "unknown" outside a git tree."""
    try:
        root = Path(__file__).resolve().parent
        found = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=40"], cwd=root, check=True,
                               capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()


def packages() -> dict[str, str]:
    """Return the versions of the packages that the numbers depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def command() -> str:
    """Return the command that started this process."""
    module = getattr(sys.modules["__main__"], "__spec__", None)
    started = f"python -m {module.name.removesuffix('.__main__')}" if module else f"python {Path(sys.argv[0]).name}"
    # An absolute path on one machine has no meaning on another: keep only its name.
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    return " ".join([started, *words])


_ORIGIN: dict[str, Any] = {}  # kept after the first call, so that frequent checkpoints do not start git each time


def manifest_of(config: TrainConfig, spec: Spec, normaliser: ObservationNormaliser, learner: Learner, steps: int,
                updates: int, returns: Mapping[str, float]) -> dict[str, Any]:
    """Return the manifest of a checkpoint; `training.loop.checkpoint` lists the fields."""
    if not _ORIGIN:
        _ORIGIN.update(command=command(), commit=commit(), packages=packages())
    policy = getattr(learner, "policy", None)
    return {
        "algorithm": config.algorithm,
        "policy": config.policy if config.algorithm == "mat" else "mlp",
        **({"policy_config": policy.config.to_dict()} if policy is not None else {}),
        "task": spec.task, "robot": spec.robot, "split": spec.split, "agents": list(spec.agents),
        "layout": spec.layout.to_dict() if spec.layout is not None else None,
        "obs_mask": spec.obs_mask.tolist(), "act_mask": spec.act_mask.tolist(),
        "normaliser": {"clip": normaliser.clip, "mean": normaliser.mean.tolist(), "std": normaliser.std.tolist()},
        "information": spec.information, "faults": spec.faults,
        "steps": steps, "updates": updates, "seed": config.seed, "returns": dict(returns),
        **_ORIGIN,
        "config": config.to_dict(),
    }
