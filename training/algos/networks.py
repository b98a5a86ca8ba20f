# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define the multilayer perceptrons of the algorithms with separate actors and critic."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.models.actions import CategoricalActions, GaussianActions
from training.models.config import PolicyConfig
from training.models.layers import BEFORE_GELU, ELSEWHERE, linear
from training.run.distributed import ALONE, Team


class Perceptron(nn.Module):
    """Map a row through two hidden layers. The norms keep a layer's input in range when observations drift."""

    def __init__(self, inputs: int, outputs: int, width: int, gain: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            linear(inputs, width, BEFORE_GELU), nn.GELU(), nn.LayerNorm(width),
            linear(width, width, BEFORE_GELU), nn.GELU(), nn.LayerNorm(width), linear(width, outputs, gain))

    def forward(self, x: Tensor) -> Tensor:  # (..., inputs) -> (..., outputs)
        found: Tensor = self.layers(x)
        return found


class Actor(nn.Module):
    """Decide one action vector from one observation. Padding dimensions (mask 0) always stay 0."""

    mask: Tensor  # (act_dim,)

    def __init__(self, obs_dim: int, act_dim: int, width: int, discrete: bool, log_std: float, mask: Tensor) -> None:
        super().__init__()
        config = PolicyConfig(1, obs_dim, act_dim, discrete=discrete, log_std_init=log_std)
        self.mean = Perceptron(obs_dim, act_dim, width, ELSEWHERE)
        self.actions = CategoricalActions(config) if discrete else GaussianActions(config)
        self.register_buffer("mask", mask, persistent=False)

    def decide(self, obs: Tensor, generator: torch.Generator | None, team: Team = ALONE) -> tuple[Tensor, Tensor]:
        """Return actions and log-probabilities, (B, act), for (B, obs_dim); the likeliest action if no generator."""
        params = self.mean(obs)
        deviation = None
        if generator is not None:
            noise = team.own(self.actions.noise((len(obs) * team.size, 1), params, generator))[:, 0]
            deviation = self.actions.deviation(noise)
        action = self.actions.draw(params, deviation, self.mask)
        return action, self.actions.log_prob(params, action, self.mask)

    def log_prob(self, obs: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log-probability of a whole action vector and its mean entropy per dimension, (B,) each."""
        params = self.mean(obs)
        entropy = self.actions.entropy(params, self.mask).sum(-1)
        dimensions = 1.0 if isinstance(self.actions, CategoricalActions) else float(self.mask.sum())
        return self.actions.log_prob(params, actions, self.mask).sum(-1), entropy / dimensions

    def divergence(self, obs: Tensor, old: Tensor, old_std: Tensor | None) -> Tensor:
        """Return the mean Kullback-Leibler divergence of this policy from an older policy's parameters."""
        params = self.mean(obs)
        if isinstance(self.actions, CategoricalActions):
            before, now = old.log_softmax(-1), params.log_softmax(-1)
            apart: Tensor = before.exp() * (before - now)
            return apart.sum(-1).mean()
        std = self.actions.std()
        assert old_std is not None
        apart = (std / old_std).log() + (old_std.square() + (old - params).square()) / (2.0 * std.square()) - 0.5
        return torch.sum(apart * self.mask, dim=-1).mean()

    def spread(self) -> Tensor | None:
        """Return the standard deviation per dimension, or None where actions are choices."""
        return None if isinstance(self.actions, CategoricalActions) else self.actions.std()
