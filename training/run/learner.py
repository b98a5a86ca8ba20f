# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define what an algorithm offers to the trainer."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from training.run.normalise import ValueNormaliser
from training.run.rollout import Rollout

Float32 = NDArray[np.float32]


class Learner(Protocol):
    """Decide, value, and learn from a rollout."""

    value_normaliser: ValueNormaliser

    def act(self, obs: Float32, generator: torch.Generator, deterministic: bool = False,
            share: Float32 | None = None) -> tuple[NDArray[Any], Float32, Float32]:
        """Return actions (B, n, act), log-probabilities (B, n, act) and values (B, n) for obs (B, n, obs_dim).

        `share` (B, n, act) is the part of each action that its joint really does. Successors receive action * share.
        Without a share they receive the action. The returned actions are the intended ones.
        """

    def values(self, obs: Float32) -> Float32:
        """Return the values (B, n) of obs (B, n, obs_dim) in the normalised space."""

    def update(self, rollout: Rollout, generator: torch.Generator) -> dict[str, float]:
        """Learn from a rollout and return scores for the log."""

    def policy_tensors(self) -> dict[str, torch.Tensor]:
        """Return the weights by name."""

    def load_policy(self, tensors: dict[str, torch.Tensor]) -> None:
        """Load weights by name."""

    def training_tensors(self) -> dict[str, torch.Tensor]:
        """Return the tensors that learning needs beside the weights, by name: optimiser and value normaliser."""

    def load_training(self, tensors: dict[str, torch.Tensor]) -> None:
        """Load the tensors that `training_tensors` returned."""


@runtime_checkable
class ImitatingLearner(Learner, Protocol):
    """Learn also from the actions of a script."""

    def imitate(self, rollout: Rollout, shown: Float32, generator: torch.Generator) -> dict[str, float]:
        """Learn a script's actions (T, N, n, act) in a rollout's states and return scores for the log."""
