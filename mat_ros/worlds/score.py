# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Open the world that a policy was trained in, and say what each tick was worth."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.core.manifest import Manifest
from mat_ros.worlds.batch import World
from mat_ros.worlds.dexhands import SCENES, DexHands
from mat_ros.worlds.mamujoco import TASKS, Locomotion

Float = NDArray[np.float64]


class Score(Protocol):
    """What is counted in an episode."""

    name: str  # of the count, with its unit
    horizon: int  # ticks

    def tick(self, actions: Float) -> tuple[Float, NDArray[np.bool_]]:
        """Give the worth of the tick that has just passed, and whether the episode goes on, (simulation,) each.

        `actions` (simulation, agent, act_dim) are those that the policy decided, padding zero.
        """
        ...


class Running:
    """The return of the running robots: that of their training."""

    name, horizon = "return", 1000

    def __init__(self, world: Locomotion) -> None:
        self._world = world

    def tick(self, actions: Float) -> tuple[Float, NDArray[np.bool_]]:
        """Reward speed, tax effort."""
        task, upright = self._world.task, self._world.upright()
        effort = np.square(actions).sum(axis=(1, 2))
        return task.forward * self._world.speed() - task.control_cost * effort + task.alive * upright, upright


class DoorOpening:
    """How far a door has been moved the way it should be, in m between its handles, summed over ticks."""

    name, horizon = "handle distance, m ticks", 250

    def __init__(self, world: DexHands) -> None:
        self._world, self._opens = world, "open" in world.name
        self._closed = 0.0 if self._opens else float(self._apart().max())

    def _apart(self) -> Float:
        handles = self._world.signal("handle_position").reshape(self._world.count, 2, 3)
        return np.asarray(np.abs(handles[:, 0, 1] - handles[:, 1, 1]))

    def tick(self, actions: Float) -> tuple[Float, NDArray[np.bool_]]:
        """Measure the opening, or what has been closed of it."""
        apart = self._apart()
        return apart if self._opens else self._closed - apart, np.asarray(self._world.warnings() == 0)


class Nearness:
    """How near an object stays to its goal: 1 at the goal, half at 0.25 m."""

    name, horizon = "mean nearness to the goal", 75

    def __init__(self, world: DexHands) -> None:
        self._world = world

    def tick(self, actions: Float) -> tuple[Float, NDArray[np.bool_]]:
        """Give the mean nearness over the horizon, as a share of it in each tick."""
        far = np.linalg.norm(self._world.signal("object_position") - self._world.signal("goal_position"), axis=1)
        return 1.0 / (1.0 + far / 0.25) / self.horizon, np.asarray(self._world.warnings() == 0)


def open_world(manifest: Manifest, count: int, threads: int = 1) -> World:
    """Make copies of the simulated robot that a policy was trained on."""
    if manifest.world in TASKS:
        return Locomotion(manifest.world, count, threads)
    scene = next((name for name in sorted(SCENES, key=len, reverse=True) if manifest.task.startswith(name)), None)
    if manifest.world != "dexhands" or scene is None:
        raise Refused(f"world of policy {manifest.name}", f"one of {[*sorted(TASKS), 'dexhands']}",
                      f"{manifest.world or 'none'}, task {manifest.task}", "choose a policy of a simulated robot")
    return DexHands(scene, count, threads)


def columns(world: World, manifest: Manifest) -> NDArray[np.intp]:
    """Find the terms that a policy sees in the longer measurement vector of its world."""
    starts, place = {}, 0
    offered = {term.name: term for term in world.terms}
    for term in world.terms:
        starts[term.name] = place
        place += len(term.elements)
    manifest.layout.check(tuple(offered.values()))
    return np.concatenate([starts[t.name] + np.arange(len(t.elements)) for t in manifest.layout.terms])


def score_of(world: World) -> Score:
    """Choose what is counted in a world."""
    if isinstance(world, Locomotion):
        return Running(world)
    assert isinstance(world, DexHands)
    return DoorOpening(world) if world.name.startswith("door") else Nearness(world)
