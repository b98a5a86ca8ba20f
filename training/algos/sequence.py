# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Train a sequence policy by PPO, the objective of MAT.

The agents of one moment stay together in a minibatch, because the distribution of each agent depends on its
predecessors' actions. The ratio is clipped per agent and action dimension; `ratio: agent` clips the product over an
agent's dimensions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.algos.generator import generator_on
from training.algos.losses import clipped_surrogate, clipped_value_loss, huber
from training.algos.optimiser import load_optimiser, optimiser_tensors
from training.envs.protocol import Spec
from training.models.policy import Policy, PolicyConfig, build_policy, policy_config
from training.run.config import TrainConfig
from training.run.distributed import ALONE, Team
from training.run.normalise import ValueNormaliser
from training.run.rollout import Rollout

Float32 = NDArray[np.float32]
LEARNED_FROM = ("obs", "actions", "told", "log_probs", "values", "returns", "advantages")  # blocks of a rollout


def policy_for(config: TrainConfig, spec: Spec) -> PolicyConfig:
    """Return the configuration of the sequence policy that fits a task."""
    uneven = not spec.act_mask.all()
    return policy_config(
        config.policy, spec.agent_count, spec.obs_dim, spec.act_dim, width=config.width, blocks=config.blocks,
        heads=config.heads, discrete=spec.discrete, encoder_bidirectional=config.bidirectional,
        log_std_init=config.log_std,
        observation_mask=None if spec.obs_mask.all() else _as_mask(spec.obs_mask),
        action_mask=_as_mask(spec.act_mask) if uneven else None,
    )


def _as_mask(mask: NDArray[np.bool_]) -> tuple[tuple[bool, ...], ...]:
    return tuple(tuple(bool(kept) for kept in row) for row in mask)


class SequencePpo:
    """Train one sequence policy: actor and critic in one network under one optimiser."""

    def __init__(self, config: TrainConfig, spec: Spec, team: Team = ALONE) -> None:
        self.config, self.spec, self.team = config, spec, team
        self.device = torch.device(config.device)
        self.policy: Policy = build_policy(policy_for(config, spec)).to(self.device)
        self.value_normaliser = ValueNormaliser()
        self.optimiser = torch.optim.Adam(self.policy.parameters(), lr=config.learning_rate, eps=config.adam_epsilon,
                                          fused=self.device.type in ("cpu", "cuda"))

    @torch.no_grad()
    def act(self, obs: Float32, generator: torch.Generator, deterministic: bool = False,
            share: Float32 | None = None) -> tuple[NDArray[Any], Float32, Float32]:
        """Return actions (B, n, act), log-probabilities (B, n, act) and values (B, n) for obs (B, n, obs_dim)."""
        noise = None
        if not deterministic:
            everybodys = self.policy.draw_noise(len(obs) * self.team.size, generator_on(self.device, generator))
            noise = self.team.own(everybodys)
        really = None if share is None else self._tensor(share)
        actions, log_probs, values = self.policy.decide(self._tensor(obs), noise, share=really)
        return actions.cpu().numpy(), log_probs.cpu().numpy(), values[..., 0].cpu().numpy()

    @torch.no_grad()
    def values(self, obs: Float32) -> Float32:
        """Return the values (B, n) of obs (B, n, obs_dim) in the normalised space."""
        found: Float32 = self.policy.values(self._tensor(obs))[..., 0].cpu().numpy()
        return found

    def update(self, rollout: Rollout, generator: torch.Generator) -> dict[str, float]:
        """Learn from a rollout and return scores for the log."""
        whole = {name: self._tensor(rollout.flat(name)) for name in LEARNED_FROM}
        size = rollout.samples // self.config.minibatches
        totals, passes = torch.zeros(5), 0
        for _ in range(self.config.epochs):
            order = torch.randperm(rollout.samples, generator=generator)
            for rows in order.split(size):  # type: ignore[no-untyped-call]
                part = {name: block[rows] for name, block in whole.items()}
                totals += self._minibatch(part)
                passes += 1
            if self.config.target_kl and float(self.team.mean(totals)[4]) / passes > self.config.target_kl:
                break
        scores = ("policy_loss", "value_loss", "entropy", "clip_fraction", "kl")
        return dict(zip(scores, (self.team.mean(totals) / passes).tolist(), strict=True))

    def _minibatch(self, part: dict[str, Tensor]) -> Tensor:
        config = self.config
        self.value_normaliser.update(part["returns"])
        part = {name: self.team.own(block) for name, block in part.items()}
        targets = self.value_normaliser.normalise(part["returns"])
        with torch.autocast(self.device.type, enabled=config.amp and self.device.type == "cuda"):
            log_probs, entropy, values = self.policy.evaluate(part["obs"], part["actions"], told=part["told"])
        log_ratio = log_probs.float() - part["log_probs"]
        if config.ratio == "agent":
            log_ratio = log_ratio.sum(-1, keepdim=True)
        gain = clipped_surrogate(log_ratio, part["advantages"].unsqueeze(-1), config.clip)
        policy_loss = -gain.sum(-1).mean()
        value_loss = clipped_value_loss(values[..., 0].float(), part["values"], targets, config.clip,
                                        config.huber).mean()
        spread = self._mean_entropy(entropy)
        loss = policy_loss - config.entropy * spread + config.value_weight * value_loss
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.team.average_gradients(self.policy.parameters())
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), config.gradient_norm)
        self.optimiser.step()
        with torch.no_grad():
            ratio = log_ratio.exp()
            clipped = ((ratio - 1.0).abs() > config.clip).float().mean()
            kl = (ratio - 1.0 - log_ratio).mean()
        return torch.stack([policy_loss.detach(), value_loss.detach(), spread.detach(), clipped, kl]).cpu()

    def imitate(self, rollout: Rollout, shown: Float32, generator: torch.Generator) -> dict[str, float]:
        """Learn the actions of a script (T, N, n, act) and the values of the states in a rollout.

        Each slot receives the action that its predecessor did, whether the policy or the script decided it. Nothing is
        clipped, so the scores of PPO that measure clipping are zero.
        """
        whole = {name: self._tensor(rollout.flat(name)) for name in ("obs", "actions", "told", "returns")}
        whole["shown"] = self._tensor(shown.reshape(whole["actions"].shape))
        mask = self._tensor(self.spec.act_mask.astype(np.float32))
        totals, passes = torch.zeros(2), 0
        for _ in range(self.config.epochs):
            order = torch.randperm(rollout.samples, generator=generator)
            for rows in order.split(rollout.samples // self.config.minibatches):  # type: ignore[no-untyped-call]
                part = {name: block[rows] for name, block in whole.items()}
                self.value_normaliser.update(part["returns"])
                means = self.policy.distribution(part["obs"], part["told"])
                missed = (means - part["shown"]).square().mul(mask).sum(-1).mean()
                values = self.policy.values(part["obs"])[..., 0]
                value_loss = huber(self.value_normaliser.normalise(part["returns"]) - values, self.config.huber).mean()
                self.optimiser.zero_grad(set_to_none=True)
                (missed + self.config.value_weight * value_loss).backward()
                torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.config.gradient_norm)
                self.optimiser.step()
                totals += torch.stack([missed.detach(), value_loss.detach()]).cpu()
                passes += 1
        missed, value_loss = (totals / passes).tolist()
        return {"policy_loss": missed, "value_loss": value_loss, "entropy": self._entropy(whole), "clip_fraction": 0.0,
                "kl": 0.0}

    @torch.no_grad()
    def _entropy(self, part: dict[str, Tensor]) -> float:
        _, entropy, _ = self.policy.evaluate(part["obs"][:1], part["actions"][:1])
        return float(self._mean_entropy(entropy))

    def _mean_entropy(self, entropy: Tensor) -> Tensor:
        """Return the mean over the real dimensions. Padding has entropy 0 and must not lower the mean."""
        if self.spec.discrete or self.spec.act_mask.all():
            return entropy.mean()
        return entropy.sum() / (entropy.shape[0] * float(self.spec.act_mask.sum()))

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def policy_tensors(self) -> dict[str, Tensor]:
        """Return the weights of the policy by name."""
        return {name: tensor.detach() for name, tensor in self.policy.state_dict().items()}

    def load_policy(self, tensors: dict[str, Tensor]) -> None:
        """Load weights by name."""
        self.policy.load_state_dict(tensors)

    def training_tensors(self) -> dict[str, Tensor]:
        """Return the tensors that learning needs beside the weights, by name: optimiser and value normaliser."""
        return {"value_moments": self.value_normaliser.moments,
                **optimiser_tensors("adam", self.optimiser, self.policy)}

    def load_training(self, tensors: dict[str, Tensor]) -> None:
        """Load the optimiser and the value normaliser of a checkpoint."""
        self.value_normaliser.moments.copy_(tensors["value_moments"])
        load_optimiser("adam", self.optimiser, self.policy, tensors)
