# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Keep running statistics of observations, which travel with the policy, and of returns, which only training needs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class ObservationNormaliser:
    """Normalise each column of each agent by its running mean and standard deviation, then clip.

    Statistics are per agent and column, because the same column holds another joint's angle, in another range, for
    every agent. Columns outside `mask` (ids, flags, padding) stay unchanged.
    """

    LEAST_VARIANCE = 1e-8  # least variance of a column; a column that never changed is shifted and not scaled

    def __init__(self, mask: NDArray[np.bool_], clip: float = 10.0) -> None:
        self.mask, self.clip = mask, clip  # (agent, obs_dim)
        self.count = 0.0
        self._mean, self._square = np.zeros(mask.shape), np.zeros(mask.shape)  # square: sum of squared deviations
        self._refresh()

    def update(self, obs: NDArray[np.float32]) -> None:
        """Add a batch of observations (batch, agent, obs_dim) to the statistics."""
        batch = obs.astype(np.float64)
        size, mean = len(batch), batch.mean(axis=0)
        square = np.square(batch - mean).sum(axis=0)
        total, shift = self.count + size, mean - self._mean
        self._mean += shift * (size / total)
        self._square += square + np.square(shift) * (self.count * size / total)
        self.count = total
        self._refresh()

    def _refresh(self) -> None:
        variance = self._square / max(self.count, 1.0)
        usable = self.mask & (variance > self.LEAST_VARIANCE)
        self.mean = np.where(self.mask, self._mean, 0.0).astype(np.float32)  # (agent, obs_dim)
        self.std = np.where(usable, np.sqrt(np.maximum(variance, self.LEAST_VARIANCE)), 1.0).astype(np.float32)
        self._limit = np.where(self.mask, self.clip, np.inf).astype(np.float32)

    def apply(self, obs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return normalised observations (..., agent, obs_dim)."""
        normal: NDArray[np.float32] = np.clip((obs - self.mean) / self.std, -self._limit, self._limit)
        return normal

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return everything that `restore` needs."""
        return {"count": np.array(self.count), "mean": self._mean.copy(), "square": self._square.copy()}

    def restore(self, kept: dict[str, NDArray[Any]]) -> None:
        """Continue from a snapshot."""
        self.count = float(kept["count"])
        self._mean, self._square = kept["mean"].copy(), kept["square"].copy()
        self._refresh()


class ValueNormaliser:
    """Scale returns by debiased moments that fade slowly, so that the value head always predicts numbers near one."""

    # The compiled loop updates the same moments and receives these three numbers.
    FORGET = 0.99999  # factor of the old moments at each batch
    LEAST_WEIGHT = 1e-5  # divisor of the moments before the first batch, whose weight is zero
    LEAST_VARIANCE = 1e-2  # least variance of returns

    def __init__(self) -> None:
        self.moments = torch.zeros(3, dtype=torch.float64)  # running mean, mean square, and weight (for debiasing)

    def update(self, returns: Tensor) -> None:
        """Add a batch of returns of any shape to the moments."""
        exact = returns.double()
        seen = torch.stack([exact.mean(), exact.square().mean(), torch.ones_like(exact.mean())])
        self.moments.mul_(self.FORGET).add_(seen.to(self.moments.device), alpha=1.0 - self.FORGET)

    def scale(self) -> tuple[float, float]:
        """Return the mean and the standard deviation of the returns."""
        mean, square, weight = self.moments.tolist()
        weight = max(weight, self.LEAST_WEIGHT)
        mean, square = mean / weight, square / weight
        return mean, max(square - mean * mean, self.LEAST_VARIANCE) ** 0.5

    def normalise(self, returns: Tensor) -> Tensor:
        """Return returns in the space in which values are predicted."""
        mean, std = self.scale()
        return (returns - mean) / std

    def denormalise(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return predicted values in units of reward."""
        mean, std = self.scale()
        back: NDArray[np.float32] = (values * std + mean).astype(np.float32)
        return back
