# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Train by MAPPO, or by MAPPO with one part taken away.

  mappo   every actor takes a step on its own clipped ratio; the critic observes all agents
  ippo    mappo, but the critic observes only its own agent
  maa2c   mappo in one unclipped pass
  ia2c    ippo in one unclipped pass
  ppo     one actor decides for all agents: a baseline without separate agents

All actors step together.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training.algos.actor_critic import SeparateLearner
from training.algos.losses import clipped_surrogate
from training.envs.protocol import Spec
from training.run.config import TrainConfig
from training.run.distributed import ALONE, Team


class Mappo(SeparateLearner):
    """Improve all actors together by clipped policy gradients."""

    def __init__(self, config: TrainConfig, spec: Spec, team: Team = ALONE) -> None:
        self.one_actor = config.algorithm == "ppo"
        self.own_critic = config.algorithm in ("ippo", "ia2c")
        self.once = config.algorithm in ("ia2c", "maa2c")
        super().__init__(config, spec, team)

    @property
    def epochs(self) -> int:
        """Return the number of passes over the rollout."""
        return 1 if self.once else self.config.epochs

    @property
    def minibatches(self) -> int:
        """Return the number of minibatches in a pass."""
        return 1 if self.once else self.config.minibatches

    @property
    def value_clip(self) -> float:
        """Return the distance that a value may move before its gradient stops."""
        return math.inf if self.once else self.config.clip

    def update_actors(self, whole: dict[str, Tensor], generator: torch.Generator) -> dict[str, float]:
        """Improve all actors together and return scores for the log."""
        totals, count = torch.zeros(4), 0
        clip = math.inf if self.once else self.config.clip
        for rows in self.parts(len(whole["obs"]), generator):
            part = {name: block[self.team.own(rows)] for name, block in whole.items()}
            views = zip(*(self.network.views(part[name]) for name in ("obs", "actions", "log_probs")), strict=True)
            terms = []
            for k, ((actor, obs), (_, actions), (_, old)) in enumerate(views):
                log_prob, entropy = actor.log_prob(obs, actions)
                change = log_prob - old.sum(-1)
                gain = clipped_surrogate(change, part["advantages"][:, k], clip)
                moved = change.exp() - 1.0
                terms.append(torch.stack([-gain.mean(), entropy.mean(), (moved.abs() > clip).float().mean(),
                                          (moved - change).mean()]))
            mean = torch.stack(terms).mean(0)
            self.descend("actors", mean[0] - self.config.entropy * mean[1])
            totals, count = totals + mean.detach().cpu(), count + 1
            if self.config.target_kl and float(self.team.mean(totals)[3]) / count > self.config.target_kl:
                break
        scores = (self.team.mean(totals) / count).tolist()
        return dict(zip(("policy_loss", "entropy", "clip_fraction", "kl"), scores, strict=True))
