# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Extend a chain of decisions slot by slot. All decisions of a backend's `step` are made in this module.

Chain nodes, the central tick, replays, golden checks and benchmarks all call this module. The only other call of `step`
is in `backends/timing.py`. That call decides nothing; it measures how long `step` takes.
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
    """Decide one slot. Every backend implements this protocol."""

    def step(self, slot: int, enc: Float32, previous: Float32, state: Float32) -> tuple[Float32, Float32]:
        """Return the slot's action (act_dim,) and the next state.

        `enc` is the slot's encoding (enc_dim,), `previous` the action of the slot before (act_dim,).
        """
        ...


@runtime_checkable
class RunStepper(Stepper, Protocol):
    """Decide several slots in a row in one call. The result has the bits of repeated calls of `step`."""

    def decide(
        self, first: int, last: int, enc: Float32, previous: Float32, state: Float32
    ) -> tuple[Float32, Float32]:
        """Return the actions (k, act_dim) of the slots first .. last - 1 and the state that slot `last` receives.

        `enc` holds the encodings of these slots, (k, enc_dim).
        """
        ...


@dataclass(frozen=True)
class Sampling:
    """Draw actions instead of taking the mean. The key (seed, tick, slot) makes every process draw the same action."""

    seed: int
    std: Float32  # (act_dim,)

    def noise(self, tick: int, slot: int) -> Float32:
        """Return the noise (act_dim,) that is added to the mean of a slot in a tick."""
        draw = randomness.normal(randomness.stream(self.seed, f"slot/{slot}"), tick, len(self.std))
        return (draw * self.std).astype(np.float32)


class Decider:
    """Decide slots in chain order with one policy. The class keeps no state between calls."""

    def __init__(
        self, stepper: Stepper, network: Network, state: StateLayout, sampling: Sampling | None = None
    ) -> None:
        self.act_dim = network.act_dim
        self._enc_shape = (network.agents, network.enc_dim)
        self._stepper = stepper
        self._state = state
        self._sampling = sampling
        # A drawn action is an input of the next slot, so sampled slots are decided one by one.
        self._run = stepper if sampling is None and isinstance(stepper, RunStepper) else None

    def start(self) -> Prefix:
        """Return the empty prefix that the first slot receives."""
        return Prefix(np.zeros((0, self.act_dim), np.float32), np.zeros(0, np.uint8), self._state.start())

    def fits(self, prefix: Prefix) -> bool:
        """Return whether a received prefix has the right sizes and is finite."""
        k = prefix.slots
        return (prefix.actions.shape == (k, self.act_dim) and prefix.validity.shape == (k,)
                and prefix.state.shape == (self._state.size(k),)
                and bool(np.isfinite(prefix.actions).all()) and bool(np.isfinite(prefix.state).all()))

    def fits_encoding(self, enc: Float32) -> bool:
        """Return whether received encodings have the right size and are finite."""
        return enc.shape == self._enc_shape and bool(np.isfinite(enc).all())

    def extend(
        self, prefix: Prefix, tick: int, stop: int, enc: Float32, validity: Validity,
        overrides: Mapping[int, Override] | None = None,
    ) -> tuple[Prefix, Float32]:
        """Decide the slots k .. stop - 1 after a prefix of k slots, from encodings (n, enc_dim).

        Return the longer prefix and the intended actions of the new slots (stop - k, act_dim). The actions of the
        prefix differ from the intended actions where an override describes a broken joint.
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
