# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Simulate the robot of a policy: one row of the worlds that training steps in batches."""

from __future__ import annotations

import numpy as np

from mat_ros.core.errors import Refused
from mat_ros.core.faults.schedule import Schedule
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.robot.observe import Columns
from mat_ros.core.tick.messages import Float32
from mat_ros.hardware.io import Description, EpisodeResult, Float, Reading, check_command, description_of
from mat_ros.worlds.completion import Completion
from mat_ros.worlds.faults import FaultyWorld
from mat_ros.worlds.scatter import Scatter
from mat_ros.worlds.task import task_of


class SimulatedRobot:
    """Step the physics once for each command; see `mat_ros.hardware.io.SimulatedRobotIO`."""

    def __init__(self, manifest: Manifest, task: str = "", seed: int = 0, number: int = 0,
                 scatter: Scatter | None = None, ticks: int = 0) -> None:
        """Begin an episode of `ticks` (0: the task's length), which starts as row `number` of a batch does."""
        self._description = description_of(manifest)
        chosen = task_of(manifest, task)
        world = chosen.open(1)
        world.first, world.scatter = number, scatter or Scatter()
        self.world = world  # the world, which keeps the true measurements
        self._faulty = FaultyWorld(world)
        if world.joint_names != self._description.joints or world.control_period_ns != manifest.period_ns:
            raise Refused(f"world {manifest.world}", (self._description.joints, manifest.period_ns),
                          (world.joint_names, world.control_period_ns), "choose the task of the policy")
        self._columns = Columns(manifest.layout.terms, world.terms)
        self._score = chosen.score(world)
        self._completion = Completion(1, world.control_period_ns)
        self._horizon = ticks or self._score.horizon
        self._no_actions: Float32 = np.zeros((manifest.network.agents, manifest.network.act_dim), np.float32)
        self._actions = self._no_actions
        self.episode = -1
        self.reset(seed)

    def reset(self, seed: int | None = None) -> None:
        """Begin the next episode; a seed restarts the sequence of episodes."""
        self._faulty.reset(seed=seed)
        self.episode += 1
        self._completion.begin(np.arange(1))
        self._total, self._over = 0.0, False

    @property
    def tick(self) -> int:
        """Return the tick of the episode."""
        return int(self.world.ticks[0])

    def read(self) -> Reading:
        """Return the readings of the sensors, with simulated time."""
        signals = self._columns.take(self._faulty.measure()[0])
        return Reading(signals, self.tick * self._description.period_ns, self.episode)

    def decided(self, actions: Float32) -> None:
        """Take the actions (slot, act_dim) behind the next command; some tasks charge for actions."""
        self._actions = np.where(np.isfinite(actions), actions, np.float32(0.0))

    def write(self, command: Float) -> None:
        """Step the physics by one tick."""
        check_command(command, self._description)
        self._faulty.step(command[None])
        worth = self._score.judge(self._actions[None].astype(np.float64))
        self._actions = self._no_actions
        self._total += float(worth.reward[0])
        self._completion.note(worth.done & ~worth.over)  # a simulation that has diverged has done nothing
        self._over = bool(worth.over[0]) or self.tick >= self._horizon

    @property
    def ended(self) -> EpisodeResult | None:
        """Return the result once the episode is over."""
        return self.result() if self._over else None

    def result(self) -> EpisodeResult:
        """Return the result of the present episode so far."""
        reached, success = bool(self._completion.reached[0]), bool(self._completion.success[0])
        return EpisodeResult(self.episode, self.tick, self._total, reached, success)

    def follow(self, schedule: Schedule) -> None:
        """Apply a fault schedule to motors and sensors, from the present tick on."""
        self._faulty.reschedule(0, schedule)

    def describe(self) -> Description:
        """Return the joints, the limits and the period of the robot."""
        return self._description

    def close(self) -> None:
        """Release nothing: the simulated robot holds no resource that needs it."""

