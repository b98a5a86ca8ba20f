# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Train by HAPPO: agents learn one after another in a random order, each after its predecessors' updates.

By the advantage decomposition theorem, the joint advantage is a sum of each agent's advantage, given its predecessors'
actions. The factor M is the product of the predecessors' new ratios. M times the joint advantage estimates the next
agent's advantage.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.algos.actor_critic import SeparateLearner
from training.algos.losses import clipped_surrogate
from training.algos.networks import Actor


class Happo(SeparateLearner):
    """Improve one actor after another by clipped policy gradients."""

    def update_actors(self, whole: dict[str, Tensor], generator: torch.Generator) -> dict[str, float]:
        """Improve the actors in a random order and return scores for the log."""
        factor = torch.ones(len(whole["obs"]), device=self.device)
        scores = []
        for k in torch.randperm(self.spec.agent_count, generator=generator).tolist():
            actor = self.network.actors[k]
            assert isinstance(actor, Actor)
            own = {name: whole[name][:, k] for name in ("obs", "actions", "advantages")}
            own["old"] = whole["log_probs"][:, k].sum(-1)
            own["gain"] = factor * own["advantages"]
            scores.append(self.improve(actor, own, generator))
            with torch.no_grad():
                factor = factor * (actor.log_prob(own["obs"], own["actions"])[0] - own["old"]).exp()
        mean = self.team.mean(torch.stack(scores).mean(0))
        return dict(zip(("policy_loss", "entropy", "clip_fraction", "kl"), mean.tolist(), strict=True))

    def improve(self, actor: Actor, own: dict[str, Tensor], generator: torch.Generator) -> Tensor:
        """Improve one actor on `gain`, its predecessors' factor times the advantage, and return its scores (4,)."""
        totals, count, config = torch.zeros(4), 0, self.config
        for rows in self.parts(len(own["obs"]), generator):
            rows = self.team.own(rows)
            log_prob, entropy = actor.log_prob(own["obs"][rows], own["actions"][rows])
            change = log_prob - own["old"][rows]
            loss = -clipped_surrogate(change, own["gain"][rows], config.clip).mean()
            self.descend("actors", loss - config.entropy * entropy.mean())
            with torch.no_grad():
                clipped = ((change.exp() - 1.0).abs() > config.clip).float().mean()
                kl = (change.exp() - 1.0 - change).mean()
            totals, count = totals + torch.stack([loss, entropy.mean(), clipped, kl]).detach().cpu(), count + 1
        return totals / count
