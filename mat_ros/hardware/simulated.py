# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Be the simulated robot of a policy: one row of the worlds that training steps in batches."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mat_ros.core.errors import Refused
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.robot.observe import Columns
from mat_ros.core.tick.messages import Float32
from mat_ros.hardware.io import Description, Float, Reading, check_command, description_of
from mat_ros.worlds.faults import FaultyWorld
from mat_ros.worlds.scatter import Scatter
from mat_ros.worlds.score import open_world, score_of


@dataclass(frozen=True)
class Episode:
    """How an episode went."""

    number: int
    ticks: int
    total: float  # sum of the task's rewards
    success: bool


class SimulatedRobot:
    """Step physics once for each command. `faulty` is where faults are put in."""

    def __init__(self, manifest: Manifest, task: str = "", seed: int = 0, number: int = 0,
                 scatter: Scatter | None = None, ticks: int = 0) -> None:
        """Begin an episode of so many ticks (0: the task's); `number` makes it start as that row of a batch does."""
        self._description = description_of(manifest)
        world = open_world(replace(manifest, task=task or manifest.task), 1)
        world.first, world.scatter = number, scatter or Scatter()
        self.faulty = FaultyWorld(world)
        self.world = world
        if world.joint_names != self._description.joints or world.control_period_ns != manifest.period_ns:
            raise Refused(f"world {manifest.world}", (self._description.joints, manifest.period_ns),
                          (world.joint_names, world.control_period_ns), "choose the task of the policy")
        self._columns = Columns(manifest.layout.terms, world.terms)
        self._score = score_of(world)
        self._horizon = ticks or self._score.horizon
        self._no_actions: Float32 = np.zeros((manifest.network.agents, manifest.network.act_dim), np.float32)
        self._actions = self._no_actions
        self.episode = -1
        self.reset(seed)

    def reset(self, seed: int | None = None) -> None:
        """Begin the next episode; a seed begins their sequence anew."""
        self.faulty.reset(seed=seed)
        self.episode += 1
        self._total, self._success, self._over = 0.0, False, False

    def read(self) -> Reading:
        """Give what the sensors say; the time is that of the simulation."""
        tick = int(self.world.ticks[0])
        return Reading(self._columns.take(self.faulty.measure()[0]), tick * self._description.period_ns, self.episode)

    def decided(self, actions: Float32) -> None:
        """Tell with which actions (slot, act_dim) the next command came about; some tasks charge for them."""
        self._actions = np.where(np.isfinite(actions), actions, np.float32(0.0))

    def write(self, command: Float) -> None:
        """Step the physics by one tick."""
        check_command(command, self._description)
        self.faulty.step(command[None])
        verdict = self._score.judge(self._actions[None].astype(np.float64))
        self._actions = self._no_actions
        self._total += float(verdict.reward[0])
        self._success |= bool(verdict.success[0])
        self._over = bool(verdict.over[0]) or int(self.world.ticks[0]) >= self._horizon

    @property
    def ended(self) -> Episode | None:
        """Give the result once the episode is over."""
        return self.result() if self._over else None

    def result(self) -> Episode:
        """Give how the present episode has gone so far."""
        return Episode(self.episode, int(self.world.ticks[0]), self._total, self._success)

    def describe(self) -> Description:
        """Say what the robot has."""
        return self._description

    def close(self) -> None:
        """There is nothing to let go of."""

