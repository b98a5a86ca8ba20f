# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Build the algorithm that a configuration names."""

from __future__ import annotations

import torch

from mat_ros.core.errors import Refused
from training.algos.fused import FusedPpo, can_fuse
from training.algos.happo import Happo
from training.algos.hatrpo import Hatrpo
from training.algos.mappo import Mappo
from training.algos.sequence import SequencePpo
from training.envs.protocol import Spec
from training.run.config import TrainConfig
from training.run.distributed import ALONE, Team
from training.run.learner import Learner

SEPARATE = {"hatrpo": Hatrpo, "happo": Happo}  # every other algorithm is a setting of Mappo


def build_learner(config: TrainConfig, spec: Spec, team: Team = ALONE) -> Learner:
    """Return the learner of a configuration, newly initialised from the seed."""
    torch.manual_seed(config.seed)
    if config.algorithm == "mat":
        return _sequence_ppo(config, spec, team)
    return SEPARATE.get(config.algorithm, Mappo)(config, spec, team)


def _sequence_ppo(config: TrainConfig, spec: Spec, team: Team) -> Learner:
    """Return PPO over a sequence policy: the compiled loop where it is available and not declined, else torch."""
    if config.engine == "fused" and not can_fuse(config, spec):
        raise Refused("setting engine", "torch, or MAT with continuous actions on a CPU and a C++ compiler",
                      f"fused for {config.policy} on {config.device}", "choose --engine torch")
    fused = config.engine != "torch" and team.size == 1 and can_fuse(config, spec)
    return FusedPpo(config, spec) if fused else SequencePpo(config, spec, team)
