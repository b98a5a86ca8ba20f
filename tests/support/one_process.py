# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A robot whose whole tick runs in this process, in time that the ticks count: what graphs of processes are held to."""

from __future__ import annotations

from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.core.tick.central import Central, CentralBackend
from mat_ros.core.tick.decide import Sampling
from mat_ros.core.tick.keeper import Keeper, Keeping
from mat_ros.core.tick.messages import Float32, Observation, Outcome
from mat_ros.core.tick.safety import Gate


class OneProcess:
    """Give one robot a central tick and a gate, and let a tick last exactly one period."""

    def __init__(self, manifest: Manifest, backend: CentralBackend, settings: GuardSettings | None = None,
                 sampling: Sampling | None = None) -> None:
        self.central = Central(manifest, backend, sampling)
        self.keeper = Keeper(manifest, Gate(manifest.joints, manifest.period_ns, settings),
                             Keeping(lockstep=True, simulated=True))
        self._period_ns = manifest.period_ns
        self._tick = -1

    def tick(self, signals: Float32, source_ns: int = 0, episode: int = 0) -> Outcome:
        """Decide and guard one tick from measurements (signal,)."""
        self._tick += 1
        start_ns = self._tick * self._period_ns
        observation = Observation(self._tick, start_ns, start_ns + self._period_ns, source_ns, episode, signals)
        outcomes = self.central.tick(self.keeper, observation).outcomes
        return (outcomes or self.keeper.poll(observation.deadline_ns))[-1]
