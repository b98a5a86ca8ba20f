# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run a whole tick in one process: encode, decide every slot, guard. The result has the bits of the distributed graph.

Plain Python, the lock-step benchmark and the tests all run their ticks here. Each robot's keeper owns the safety gate
of that robot. So several robots can share one `Central`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.tick.decide import Decider, Sampling, Stepper
from mat_ros.core.tick.encode import Encoder, EncodingBackend
from mat_ros.core.tick.keeper import Keeper
from mat_ros.core.tick.messages import Decision, Encoding, Float32, Observation, Outcome, Override, Validity


class CentralBackend(EncodingBackend, Stepper, Protocol):
    """Encode observations and decide slots. Every backend implements this protocol."""


@dataclass(frozen=True)
class CentralTick:
    """Hold the results that one process computed from one observation."""

    encoded: tuple[Encoding, Float32] | None  # with the values (n,); None where a measurement is not finite
    decision: Decision | None  # decision of every slot; None where `encoded` is None
    outcomes: tuple[Outcome, ...]  # the commands that the keeper applied; empty where the keeper waits for the deadline


class Central:
    """Decide every slot of a tick with one policy. The class keeps no state from tick to tick."""

    def __init__(self, manifest: Manifest, backend: CentralBackend, sampling: Sampling | None = None) -> None:
        self.decider = Decider(backend, manifest.network, manifest.state, sampling)
        self._encoder = Encoder(backend, manifest)
        self._slots = manifest.network.agents

    def encode(self, observation: Observation) -> tuple[Encoding, Float32] | None:
        """Return the encodings and the values (n,) of any tick; None where a measurement is not finite."""
        return self._encoder.encode_again(observation)

    def decide(self, encoding: Encoding, overrides: Mapping[int, Override] | None = None) -> Decision:
        """Return the decision of all slots. The only chain node of a central wiring sends the same decision."""
        prefix, intended = self.decider.extend(
            self.decider.start(), encoding.tick, self._slots, encoding.enc, Validity.OWN, overrides)
        return Decision(encoding.tick, encoding.source_ns, 0, 0, self._slots, intended, prefix.validity)

    def tick(self, keeper: Keeper, observation: Observation, overrides: Mapping[int, Override] | None = None
             ) -> CentralTick:
        """Run one tick of a keeper's robot. When nothing can be decided, the keeper acts at the deadline."""
        outcomes = keeper.on_observation(observation, observation.start_ns)
        encoded, decision = self.encode(observation), None
        if encoded is not None:
            decision = self.decide(encoded[0], overrides)
            outcomes += keeper.on_decision(decision, observation.start_ns)
        return CentralTick(encoded, decision, tuple(outcomes))
