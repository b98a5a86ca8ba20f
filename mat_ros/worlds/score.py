# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Open the world that a policy was trained in, and compute the score of each tick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.core.policy.manifest import Manifest
from mat_ros.worlds.batch import World
from mat_ros.worlds.dexhands import SCENES, DexHands
from mat_ros.worlds.mamujoco import TASKS, Locomotion

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]


DOOR_OPEN = 0.5  # m between the handles; a smaller distance is shut
CAUGHT = 0.03  # m from the goal; a nearer object is caught
LIFTED = 0.05  # m from the goal; a nearer pot is lifted
NEAR = 0.25  # m from the goal, the distance at which the nearness is one half


@dataclass(frozen=True)
class Worth:
    """Hold the score of the tick that has just passed, (simulation,) each."""

    reward: Float
    done: Bool  # the task is done in this tick
    over: Bool  # the episode cannot go on


class Score(Protocol):
    """Define the score of an episode."""

    name: str  # name of the score, with its unit
    horizon: int  # ticks

    def judge(self, actions: Float) -> Worth:
        """Return the score of the tick that had these actions (simulation, agent, act_dim), padded with zeros."""
        ...


class Running:
    """Define the reward of the running robots. Training and every measurement use this one definition."""

    name, horizon = "return", 1000

    def __init__(self, world: Locomotion) -> None:
        self._world = world

    def judge(self, actions: NDArray[np.floating]) -> Worth:
        """Return speed's reward minus effort's cost; as published, actions count before the motors' limits."""
        task, upright = self._world.task, self._world.upright()
        effort = np.square(actions, dtype=np.float64).sum(axis=(1, 2))
        return Worth(task.forward * self._world.speed() - task.control_cost * effort + task.alive * upright,
                     np.zeros(self._world.count, dtype=bool), ~upright)


class DoorMotion:
    """Score the opening or closing of a door, in m between its handles, summed over ticks."""

    name, horizon = "handle distance, m ticks", 250

    def __init__(self, world: DexHands) -> None:
        self._world, self._opens = world, "open" in world.name
        self._shut = 0.0 if self._opens else float(handles_apart(world).max())

    def judge(self, actions: Float) -> Worth:
        """Return the opening, or the part of the opening that has been closed."""
        apart = handles_apart(self._world)
        return Worth(apart if self._opens else self._shut - apart, door_moved(self._world, self._opens),
                     self._world.warnings() > 0)


class Nearness:
    """Score the nearness of an object to its goal: 1 at the goal, one half at `NEAR`."""

    name = "mean nearness to the goal"

    def __init__(self, world: DexHands) -> None:
        lifts = world.name.startswith("lift")
        self._world, self._done, self.horizon = world, LIFTED if lifts else CAUGHT, 500 if lifts else 75

    def judge(self, actions: Float) -> Worth:
        """Return the nearness divided by the horizon, so that the sum over an episode is the mean nearness."""
        far = goal_distance(self._world)
        return Worth(1.0 / (1.0 + far / NEAR) / self.horizon, far < self._done, self._world.warnings() > 0)


def handles_apart(world: DexHands) -> Float:
    """Return the distance between the two handles across the door, (simulation,), in m."""
    handles = world.signal("handle_position").reshape(world.count, 2, 3)
    return np.asarray(np.abs(handles[:, 0, 1] - handles[:, 1, 1]))


def door_moved(world: DexHands, opening: bool) -> Bool:
    """Return whether the door is as far open or shut as its task requires, (simulation,)."""
    apart = handles_apart(world)
    return np.asarray(apart > DOOR_OPEN if opening else apart < DOOR_OPEN)


def goal_distance(world: DexHands) -> Float:
    """Return the distance of the object from its goal, (simulation,), in m."""
    return np.asarray(np.linalg.norm(world.signal("object_position") - world.signal("goal_position"), axis=1))


def open_world(manifest: Manifest, count: int, threads: int = 1) -> World:
    """Return copies of the simulated robot that a policy was trained on."""
    if manifest.world in TASKS:
        return Locomotion(manifest.world, count, threads)
    scene = next((name for name in sorted(SCENES, key=len, reverse=True) if manifest.task.startswith(name)), None)
    if manifest.world != "dexhands" or scene is None:
        raise Refused(f"world of policy {manifest.name}", f"one of {[*sorted(TASKS), 'dexhands']}",
                      f"{manifest.world or 'none'}, task {manifest.task}", "choose a policy of a simulated robot")
    return DexHands(scene, count, threads)


def score_of(world: World) -> Score:
    """Return the score that belongs to a world."""
    if isinstance(world, Locomotion):
        return Running(world)
    assert isinstance(world, DexHands)
    return DoorMotion(world) if world.name.startswith("door") else Nearness(world)
