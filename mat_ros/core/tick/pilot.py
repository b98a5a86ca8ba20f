# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run whole ticks in one process: measurements in, commands out, in the bits of the distributed graph."""

from __future__ import annotations

from typing import Protocol

from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.core.tick.decide import Decider, Sampling, Stepper
from mat_ros.core.tick.encode import Encoder, EncodingBackend
from mat_ros.core.tick.keeper import Keeper, Keeping
from mat_ros.core.tick.messages import Decision, Float32, Observation, Outcome, Validity
from mat_ros.core.tick.safety import Gate


class PilotBackend(EncodingBackend, Stepper, Protocol):
    """What encodes and decides."""


class Pilot:
    """Fly one robot: encode, decide every slot, guard. Time is the tick's own, so that a run repeats bit for bit."""

    def __init__(self, manifest: Manifest, backend: PilotBackend, settings: GuardSettings | None = None,
                 sampling: Sampling | None = None) -> None:
        self.keeper = Keeper(manifest, Gate(manifest.joints, manifest.period_ns, settings),
                             Keeping(lockstep=True, simulated=True))
        self._encoder = Encoder(backend, manifest)
        self._decider = Decider(backend, manifest.network, manifest.state, sampling)
        self._slots = manifest.network.agents
        self._period_ns = manifest.period_ns
        self._tick = -1

    def tick(self, signals: Float32, source_ns: int = 0, episode: int = 0) -> Outcome:
        """Decide one tick on measurements (signal,)."""
        self._tick += 1
        now_ns = self._tick * self._period_ns
        observation = Observation(self._tick, now_ns, now_ns + self._period_ns, source_ns, episode, signals)
        outcomes = self.keeper.on_observation(observation, now_ns)
        found = self._encoder.encode(observation, now_ns)
        if found is not None:
            prefix, intended = self._decider.extend(self._decider.start(), self._tick, self._slots, found[0].enc,
                                                    Validity.OWN)
            outcomes += self.keeper.on_decision(
                Decision(self._tick, source_ns, 0, 0, self._slots, intended, prefix.validity), now_ns)
        return (outcomes or self.keeper.poll(observation.deadline_ns))[-1]
