# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Turn a decoder's numbers into actions: a Gaussian per action dimension, or a choice among alternatives.

The module computes the densities without torch.distributions, whose checks cost as much time as a step of the network.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.models.config import PolicyConfig

FORBIDDEN = -1e10  # a logit that the softmax turns into probability 0; it is finite, so that gradients stay finite


class GaussianActions(nn.Module):
    """Draw from Normal(mean, sigmoid(log_std) * std_scale) per dimension. All agents share one learnt spread.

    Actions are not squashed or clipped: the safety gate and the simulator do that. The successors receive the raw
    sample. Padding dimensions are always 0, with log-probability and entropy 0.
    """

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.scale = config.std_scale
        self.log_std = nn.Parameter(torch.full((config.act_dim,), config.log_std_init))

    def std(self) -> Tensor:
        """Return the standard deviation per dimension, (act_dim,)."""
        return torch.sigmoid(self.log_std) * self.scale

    def draw(self, params: Tensor, deviation: Tensor | None, mask: Tensor | None) -> Tensor:
        """Return the mean, or the mean plus a deviation; params, deviation, mask (B, act_dim) -> (B, act_dim)."""
        action = params if deviation is None else params + deviation
        return action if mask is None else action * mask

    def deviation(self, noise: Tensor) -> Tensor:
        """Return the deviations of a whole tick, (B, n, act_dim): the noise times the standard deviation."""
        return noise * self.std()

    def noise(self, shape: tuple[int, int], like: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return the random numbers of a whole tick, (B, n, act_dim)."""
        size = (*shape, self.log_std.shape[0])
        return torch.randn(size, dtype=like.dtype, device=like.device, generator=generator)

    def log_prob(self, params: Tensor, actions: Tensor, mask: Tensor | None) -> Tensor:
        """Return the log-density per action dimension, (B, n, act_dim)."""
        std = self.std()
        log_prob = -0.5 * ((actions - params) / std).square() - (std.log() + 0.5 * math.log(2.0 * math.pi))
        return log_prob if mask is None else log_prob * mask

    def entropy(self, params: Tensor, mask: Tensor | None) -> Tensor:
        """Return the entropy per action dimension, (B, n, act_dim)."""
        entropy = (self.std().log() + 0.5 * math.log(2.0 * math.pi * math.e)).expand_as(params)
        return entropy if mask is None else entropy * mask

    def as_input(self, actions: Tensor) -> Tensor:
        """Return an action as the successor receives it: unchanged."""
        return actions

    def start(self, batch: int, like: Tensor) -> Tensor:
        """Return the first slot's predecessor action: zeros."""
        return torch.zeros(batch, self.log_std.shape[0], dtype=like.dtype, device=like.device)


class CategoricalActions(nn.Module):
    """Draw one choice per agent out of `act_dim`, by logits. Forbidden choices (mask False) have probability 0."""

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.choices = config.act_dim

    def draw(self, params: Tensor, deviation: Tensor | None, mask: Tensor | None) -> Tensor:
        """Return the likeliest choice or, by the Gumbel trick, a sample; (B, choices) -> (B, 1)."""
        logits = self._allowed(params, mask)
        return (logits if deviation is None else logits + deviation).argmax(-1, keepdim=True)

    def deviation(self, noise: Tensor) -> Tensor:
        """Return the numbers that `draw` adds to the logits: the noise, unchanged."""
        return noise

    def noise(self, shape: tuple[int, int], like: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return the Gumbel noise of a whole tick, (B, n, choices)."""
        uniform = torch.empty(*shape, self.choices, dtype=like.dtype, device=like.device)
        return -uniform.exponential_(generator=generator).log()

    def log_prob(self, params: Tensor, actions: Tensor, mask: Tensor | None) -> Tensor:
        """Return the log-probability of the choice made, (B, n, 1)."""
        return F.log_softmax(self._allowed(params, mask), dim=-1).gather(-1, actions)

    def entropy(self, params: Tensor, mask: Tensor | None) -> Tensor:
        """Return the entropy of each agent's choice, (B, n, 1)."""
        log_prob = F.log_softmax(self._allowed(params, mask), dim=-1)
        return -(log_prob.exp() * log_prob).sum(-1, keepdim=True)

    def as_input(self, actions: Tensor) -> Tensor:
        """Return the successor's view of a choice: one-hot after a start column, (..., 1) -> (..., choices + 1)."""
        return F.one_hot(actions.squeeze(-1) + 1, self.choices + 1)

    def start(self, batch: int, like: Tensor) -> Tensor:
        """Return the first slot's predecessor action: a one in the start column, column 0."""
        start = torch.zeros(batch, self.choices + 1, dtype=like.dtype, device=like.device)
        start[:, 0] = 1.0
        return start

    @staticmethod
    def _allowed(logits: Tensor, mask: Tensor | None) -> Tensor:
        return logits if mask is None else logits.masked_fill(~mask, FORBIDDEN)
