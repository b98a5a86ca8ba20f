# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Summarise few and noisy returns: the interquartile mean, the interval of a statistic by bootstrap, and of a share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
DRAWS = 2000  # bootstrap draws for an interval
ENDS = (0.025, 0.975)  # quantiles of the drawn statistic at the ends of a 95 % interval


@dataclass(frozen=True)
class Estimate:
    """Hold a statistic of samples and its 95 % interval. Arrays are (...), the shape of one sample."""

    middle: Float
    low: Float
    high: Float


def interquartile_mean(samples: Float) -> Float:
    """Return the mean of the middle half of samples (sample, ...), without those that are not finite.

    The cut at each end is a quarter of the samples, rounded down. So fewer than four samples are all averaged. The mean
    of no sample is NaN.
    """
    if samples.ndim > 1 and not np.isfinite(samples).all():
        return np.apply_along_axis(interquartile_mean, 0, samples)
    finite = samples if samples.ndim > 1 else samples[np.isfinite(samples)]
    cut = len(finite) // 4
    middle = np.sort(finite, axis=0)[cut:len(finite) - cut]
    return np.asarray(middle.mean(axis=0)) if len(middle) else np.full(samples.shape[1:], np.nan)


def estimate(groups: Sequence[Float], statistic: Callable[[Float], Float] = interquartile_mean,
             draws: int = DRAWS) -> Estimate:
    """Return the estimate of a statistic of all samples, which lie in groups of (sample, ...).

    Each draw takes as many samples of every group as the group has, with replacement. So a draw never trades the
    samples of one group for those of another (stratified bootstrap). A draw whose statistic is NaN does not count. The
    same samples give the same estimate.
    """
    rng = np.random.default_rng(0)
    drawn = np.array([statistic(np.concatenate([group[rng.integers(0, len(group), len(group))] for group in groups]))
                      for _ in range(draws)])
    middle = np.asarray(statistic(np.concatenate(groups)))
    if np.isnan(drawn).all():
        return Estimate(middle, *np.full((2, *middle.shape), np.nan))
    return Estimate(middle, *np.nanquantile(drawn, ENDS, axis=0))


def share_interval(hits: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval (Wilson) of the share behind `hits` in `count` trials. No trial tells nothing: NaN.

    A bootstrap of equal trials has no width, and 64 successes in 64 trials do not prove a share of one.
    """
    if not count:
        return float("nan"), float("nan")
    z = NormalDist().inv_cdf(ENDS[1])
    share, turn = hits / count, z * z / count
    middle = share + turn / 2.0
    half = z * math.sqrt(share * (1.0 - share) / count + turn / (4.0 * count))
    return max(0.0, (middle - half) / (1.0 + turn)), min(1.0, (middle + half) / (1.0 + turn))
