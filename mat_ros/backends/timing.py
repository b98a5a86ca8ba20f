# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the time that a backend takes on a machine that may also run other programs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mat_ros.backends.backend import Backend, Float32
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.tick.decide import Decider
from mat_ros.core.tick.messages import Validity

ROUNDS = 8
ROUND_NS = 40_000_000
LEAST_CALLS = 5


@dataclass(frozen=True)
class Spread:
    """Hold the times of one call, in µs."""

    p50: float
    p99: float


@dataclass(frozen=True)
class Timing:
    """Hold the times of a backend for one slot and for a tick, which is encode and then all slots in turn."""

    step: Spread
    tick: Spread


def time_backend(backend: Backend, bundle: Bundle) -> Timing:
    """Time a step of the middle slot, and a tick as the single chain node of a central wiring runs the tick."""
    observation = bundle.golden()["observation"][0]
    network = bundle.manifest.network
    decider = Decider(backend, network, bundle.manifest.state)
    middle = network.agents // 2
    enc, _ = backend.encode(observation)
    before, _ = decider.extend(decider.start(), 0, middle, enc, Validity.OWN)
    row = enc[middle]
    previous: Float32 = before.actions[-1] if middle else np.zeros(network.act_dim, np.float32)

    def step() -> None:
        backend.step(middle, row, previous, before.state)

    def tick() -> None:
        enc, _ = backend.encode(observation)
        decider.extend(decider.start(), 0, network.agents, enc, Validity.OWN)

    return Timing(measure(step), measure(tick))


def measure(call: Callable[[], object]) -> Spread:
    """Time a call in rounds and return the smallest p50 and p99, because other processes can only slow a round down."""
    call()
    rounds = []
    for _ in range(ROUNDS):
        took: list[int] = []
        end = time.perf_counter_ns() + ROUND_NS
        while len(took) < LEAST_CALLS or time.perf_counter_ns() < end:
            before = time.perf_counter_ns()
            call()
            took.append(time.perf_counter_ns() - before)
        rounds.append((float(np.percentile(took, 50)) / 1e3, float(np.percentile(took, 99)) / 1e3))
    return Spread(*map(float, np.min(rounds, axis=0)))


def multiply_rate() -> float:
    """Return this machine's multiply-adds per µs in a matrix-vector product with the matrix in the second cache."""
    size = 256
    matrix, vector = np.ones((size, size), np.float32), np.ones(size, np.float32)
    small_matrix, small = np.ones((1, 1), np.float32), np.ones(1, np.float32)
    out, small_out = np.empty(size, np.float32), np.empty(1, np.float32)
    full = measure(lambda: np.dot(matrix, vector, out))
    call = measure(lambda: np.dot(small_matrix, small, small_out))
    return size * size / max(full.p50 - call.p50, 1e-3)


def step_multiplications(bundle: Bundle) -> int:
    """Return the multiply-adds of a step of the middle slot: one per decoder weight, and those of attention."""
    from safetensors.numpy import load

    tensors = load(bundle.read("weights.safetensors"))
    matrices = sum(array.size for name, array in tensors.items() if name.startswith("decoder.") and array.ndim > 1)
    network = bundle.manifest.network
    if network.decoder != "attention":
        return matrices
    return matrices + network.blocks * 4 * (network.agents // 2 + 1) * network.width
