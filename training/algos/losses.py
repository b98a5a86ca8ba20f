# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compute the losses that the algorithms share. Each is a few lines that a worked example can check."""

from __future__ import annotations

import torch
from torch import Tensor


def clipped_surrogate(log_ratio: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """Return the pessimistic gain of PPO for each ratio; advantages broadcast against log_ratio."""
    ratio = log_ratio.exp()
    return torch.minimum(ratio * advantages, ratio.clamp(1.0 - clip, 1.0 + clip) * advantages)


def huber(error: Tensor, delta: float) -> Tensor:
    """Return the Huber loss: the square of small errors, and a linear function of large ones."""
    size = error.abs()
    return torch.where(size <= delta, 0.5 * error.square(), delta * (size - 0.5 * delta))


def clipped_value_loss(values: Tensor, old_values: Tensor, targets: Tensor, clip: float, delta: float) -> Tensor:
    """Return the loss of each value: the larger of that of the new value and of the new value held near the old."""
    held = old_values + (values - old_values).clamp(-clip, clip)
    return torch.maximum(huber(targets - held, delta), huber(targets - values, delta))
