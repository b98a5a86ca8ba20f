# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Extend a chain of decisions slot by slot: the one place that decides by a backend's `step`, whoever decides and why.

Chain nodes, the central tick, replays, golden checks and benchmarks all decide here. The only other call of `step` is
in `backends/timing.py`, which decides nothing: it measures how long the method takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from mat_ros.core import randomness
from mat_ros.core.policy.manifest import Network, StateLayout
from mat_ros.core.tick.messages import Float32, Override, Prefix, Validity


class Stepper(Protocol):
    """What decides one slot; every backend is one."""

    def step(self, slot: int, enc: Float32, previous: Float32, state: Float32) -> tuple[Float32, Float32]:
        """Map encoding (enc_dim,), action of the slot before (act_dim,) and state to action (act_dim,) and state."""
        ...


@runtime_checkable
class RunStepper(Stepper, Protocol):
    """What can also decide several slots in a row in one call, in the bits of `step`."""

    def decide(
        self, first: int, last: int, enc: Float32, previous: Float32, state: Float32
    ) -> tuple[Float32, Float32]:
        """Decide the slots first .. last - 1 from their encodings (k, enc_dim).

        Return their actions (k, act_dim) and the state that slot `last` receives.
        """
        ...


@dataclass(frozen=True)
class Sampling:
    """Draw actions instead of taking the mean, keyed by (seed, tick, slot) so that everyone draws alike."""

    seed: int
    std: Float32  # (act_dim,)

    def noise(self, tick: int, slot: int) -> Float32:
        """Return what is added to the mean of a slot in a tick."""
        draw = randomness.normal(randomness.stream(self.seed, f"slot/{slot}"), tick, len(self.std))
        return (draw * self.std).astype(np.float32)


class Decider:
    """Decide slots in chain order with one policy. It keeps nothing between calls."""

    def __init__(
        self, stepper: Stepper, network: Network, state: StateLayout, sampling: Sampling | None = None
    ) -> None:
        self.act_dim = network.act_dim
        self._enc_shape = (network.agents, network.enc_dim)
        self._stepper = stepper
        self._state = state
        self._sampling = sampling
        # A drawn action changes what the next slot is told, so sampled slots are decided one by one.
        self._run = stepper if sampling is None and isinstance(stepper, RunStepper) else None

    def start(self) -> Prefix:
        """Return the empty prefix that the first slot receives."""
        return Prefix(np.zeros((0, self.act_dim), np.float32), np.zeros(0, np.uint8), self._state.start())

    def fits(self, prefix: Prefix) -> bool:
        """Return whether a prefix that came from elsewhere has the right sizes and is finite."""
        k = prefix.slots
        return (prefix.actions.shape == (k, self.act_dim) and prefix.validity.shape == (k,)
                and prefix.state.shape == (self._state.size(k),)
                and bool(np.isfinite(prefix.actions).all()) and bool(np.isfinite(prefix.state).all()))

    def fits_encoding(self, enc: Float32) -> bool:
        """Return whether encodings that came from elsewhere have the right size and are finite."""
        return enc.shape == self._enc_shape and bool(np.isfinite(enc).all())

    def extend(
        self, prefix: Prefix, tick: int, stop: int, enc: Float32, validity: Validity,
        overrides: Mapping[int, Override] | None = None,
    ) -> tuple[Prefix, Float32]:
        """Decide the slots from the end of the prefix up to `stop` from encodings (n, enc_dim).

        Gives the longer prefix and what the new slots intend (stop - k, act_dim). The two differ where an override says
        that a joint does something else than intended.
        """
        first = prefix.slots
        if stop <= first:
            return prefix, np.zeros((0, self.act_dim), np.float32)
        told = np.zeros((stop, self.act_dim), np.float32)
        told[:first] = prefix.actions
        how = np.full(stop, validity, np.uint8)
        how[:first] = prefix.validity
        intended: Float32 = np.zeros((stop - first, self.act_dim), np.float32)
        state = prefix.state
        previous = told[first - 1] if first else np.zeros(self.act_dim, np.float32)
        if self._run is not None and not (overrides and any(first <= slot < stop for slot in overrides)):
            intended, state = self._run.decide(first, stop, enc[first:stop], previous, state)
            told[first:] = intended
            return Prefix(told, how, state), intended
        for slot in range(first, stop):
            action, state = self._stepper.step(slot, enc[slot], previous, state)
            if self._sampling is not None:
                action = action + self._sampling.noise(tick, slot)
            intended[slot - first] = action
            override = overrides.get(slot) if overrides else None
            if override is not None:
                action, how[slot] = action * override.share, override.validity
            told[slot] = action
            previous = told[slot]
        return Prefix(told, how, state), intended
