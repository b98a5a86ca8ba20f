# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run the episodes of a bundle as a deployment does: the central tick decides, and a gate of each copy guards it.

The gate blends in, limits and holds as on the robot, so a policy may be worth less here than where it was trained. A
copy has the bits of the lock-step deployment that begins the same episode. The episode lasts as long as there: failures
that end an episode of a training early do not end it. Without the gate an episode is that of the training.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mat_ros.backends.choose import open_backend
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.robot.observe import Columns
from mat_ros.core.tick.central import Central, CentralBackend
from mat_ros.core.tick.decide import Sampling
from mat_ros.core.tick.keeper import Keeper, Keeping
from mat_ros.core.tick.messages import Float32, Observation, Override, Validity
from mat_ros.core.tick.safety import Gate
from training.envs.robot import RobotEnvironment
from training.evaluation import Evaluation, FirstEpisodes

Float = NDArray[np.float64]


class Copy:
    """Decide the ticks of one robot, behind its gate or without one."""

    def __init__(self, manifest: Manifest, backend: CentralBackend, sampling: Sampling | None, gated: bool) -> None:
        self._period_ns = manifest.period_ns
        self._central = Central(manifest, backend, sampling)
        gate = Gate(manifest.joints, manifest.period_ns)
        self._keeper = Keeper(manifest, gate, Keeping(lockstep=True, simulated=True)) if gated else None
        self.actions: Float32 = np.zeros((manifest.network.agents, manifest.network.act_dim), np.float32)
        self.command = gate.last  # (joint,), the newest; without a gate nothing is commanded here

    def tick(self, tick: int, signals: Float32, overrides: Mapping[int, Override]) -> None:
        """Compute the actions of a tick from its measurements (signal,), and behind a gate the command."""
        start_ns, deadline_ns = tick * self._period_ns, (tick + 1) * self._period_ns
        observation = Observation(tick, start_ns, deadline_ns, start_ns, 0, signals)
        if self._keeper is not None:
            outcome = (self._central.tick(self._keeper, observation, overrides).outcomes
                       or self._keeper.poll(deadline_ns))[-1]
            self.actions, self.command = np.nan_to_num(outcome.actions), outcome.applied.applied
            return
        encoded = self._central.encode(observation)
        if encoded is not None:  # without measurements the last actions stay
            self.actions = self._central.decide(encoded[0], overrides).actions


def run_bundle(bundle: Bundle, environment: RobotEnvironment, seed: int, deterministic: bool, gated: bool
               ) -> Evaluation:
    """Run one episode in every copy and return the results. Copy k samples as a deployment of seed + k does."""
    manifest, backend = bundle.manifest, open_backend("auto", bundle)
    std = np.array(manifest.action_std, np.float32)
    copies = [Copy(manifest, backend, None if deterministic else Sampling(seed + row, std), gated)
              for row in range(environment.count)]
    environment.reset(seed)
    assert environment.spec.layout is not None
    columns = Columns(manifest.layout.terms, environment.spec.layout.terms)
    episodes = FirstEpisodes(environment.count)
    for tick in itertools.count():
        signals = columns.take(environment.signals())
        share = environment.share() if environment.spec.information == "truth" else None
        for row in np.flatnonzero(episodes.waiting).tolist():
            copies[row].tick(tick, signals[row], {} if share is None else _told(share[row]))
        actions = np.array([copy.actions for copy in copies])
        *_, info = environment.drive(np.array([copy.command for copy in copies]), actions) if gated \
            else environment.step(actions)
        episodes.take(info)
        if not episodes.waiting.any():
            break
    return episodes.evaluation()


def _told(share: Float32) -> dict[int, Override]:
    """Return what the chain is told of a robot whose joints follow these shares (agent, act_dim) of their actions."""
    return {slot: Override(share[slot], Validity.ZERO) for slot in np.flatnonzero((share != 1.0).any(axis=1)).tolist()}
