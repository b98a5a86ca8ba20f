# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Draw random numbers from a counter instead of a stream, so that the same key gives the same bits everywhere.

A stream of random numbers depends on every earlier draw. A restarted process, another order of calls or a batched
simulation would draw other numbers. Here a draw is a pure function of (seed, name, tick). Training, lock-step
simulation, a live graph and a replay draw the same numbers without exchanging messages.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def stream(seed: int, name: str) -> int:
    """Return the 64-bit key of a named stream under a seed."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def uniform(key: int, tick: int, size: int, offset: int = 0) -> NDArray[np.float64]:
    """Return `size` numbers in [0, 1) for one tick of a stream. `offset` skips numbers of the same tick."""
    with np.errstate(over="ignore"):
        lane = np.arange(offset, offset + size, dtype=np.uint64)
        word = _mix(np.array([key], dtype=np.uint64) + _GOLDEN * np.uint64(tick + 1))
        word = _mix(word + _GOLDEN * (lane + np.uint64(1)))
    return (word >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(key: int, tick: int, size: int) -> NDArray[np.float64]:
    """Return `size` standard normal numbers for one tick of a stream."""
    u = uniform(key, tick, 2 * size)
    radius = np.sqrt(-2.0 * np.log1p(-u[:size]))  # 1 - u is never zero
    drawn: NDArray[np.float64] = radius * np.cos(2.0 * np.pi * u[size:])
    return drawn


def _mix(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return 64-bit words with mixed bits (the finalizer of SplitMix64)."""
    word = (word ^ (word >> np.uint64(30))) * _MIX_1
    word = (word ^ (word >> np.uint64(27))) * _MIX_2
    return word ^ (word >> np.uint64(31))
