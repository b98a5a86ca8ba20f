# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Say what the trainer asks of an algorithm."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from training.run.normalise import ValueNormaliser
from training.run.rollout import Rollout

Float32 = NDArray[np.float32]


class Learner(Protocol):
    """Decide, value, and learn from what came of it."""

    value_normaliser: ValueNormaliser

    def act(self, obs: Float32, generator: torch.Generator, deterministic: bool = False,
            share: Float32 | None = None) -> tuple[NDArray[Any], Float32, Float32]:
        """Decide for obs (B, n, obs_dim): actions (B, n, act), log-probabilities (B, n, act), values (B, n).

        `share` (B, n, act) is the part of each action that its joint really does. Successors are told action * share;
        without a share they are told the action. The returned actions are the intended ones.
        """

    def values(self, obs: Float32) -> Float32:
        """Value obs (B, n, obs_dim) in the normalised space: (B, n)."""

    def update(self, rollout: Rollout, generator: torch.Generator) -> dict[str, float]:
        """Learn from a rollout; give what is worth logging."""

    def policy_tensors(self) -> dict[str, torch.Tensor]:
        """Give the weights that decide and value, by name."""

    def load_policy(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take weights."""

    def training_tensors(self) -> dict[str, torch.Tensor]:
        """Give what learning needs beside the weights, by name: optimiser and value normaliser."""

    def load_training(self, tensors: dict[str, torch.Tensor]) -> None:
        """Continue learning from a checkpoint."""


@runtime_checkable
class ImitatingLearner(Learner, Protocol):
    """A learner that can also be shown what to do."""

    def imitate(self, rollout: Rollout, shown: Float32, generator: torch.Generator) -> dict[str, float]:
        """Learn to do what was shown (T, N, n, act) in a rollout's states; return what is worth logging."""
