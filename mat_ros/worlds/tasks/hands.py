# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define what the tasks of two dexterous hands have in common, after Bi-DexHands.

A training pays the published reward. A deployment counts a score that a reader can picture: how far the door has moved,
or how near the object is to its goal.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mat_ros.core.errors import Refused
from mat_ros.core.robot.description import Agent
from mat_ros.core.robot.observe import Layout
from mat_ros.worlds.dexhands import HANDS, DexHands
from mat_ros.worlds.task import Score, Task, Worth
from mat_ros.worlds.tasks.hands_layout import LAYOUTS, layout_of
from mat_ros.worlds.world import Float, World

REWARDS = ("paper", "shaped")
NEAR = 0.25  # m from the goal, the distance at which the nearness is one half


class HandsTask(Task):
    """Open a scene of two hands, lay out what they observe, and judge the state of the scene."""

    near: ClassVar[float]  # m from the goal; a nearer object has arrived

    def __init__(self, observation: str = "full_state", reward: str = "paper") -> None:
        for setting, value, known in (("observation", observation, LAYOUTS), ("reward", reward, REWARDS)):
            if value not in known:
                raise Refused(setting, f"one of {known}", value, "choose one of them")
        self._observation, self._shaped = observation, reward == "shaped"

    def open(self, count: int, threads: int = 1) -> World:
        """Return simulations of the scene, which has the name of the task."""
        return DexHands(self.name, count, threads)

    def layout(self, world: World, agents: tuple[Agent, ...]) -> Layout:
        """Return the published full state, or what a real robot can measure."""
        return layout_of(world.terms, agents, HANDS, self._observation)

    def judge(self, world: DexHands, actions: Float | None = None) -> Worth:
        """Return the judgement of the present state of every simulation; hands pay nothing for actions."""
        raise NotImplementedError

    def shaping(self, progress: Float) -> Float:
        """Return the progress, which the shaped reward adds to the published one; zeros for the published reward."""
        return progress if self._shaped else np.zeros_like(progress)

    def score(self, world: World) -> Score:
        """Return the nearness of the object to its goal."""
        return Nearness(world, self.near, self.horizon)


class Nearness:
    """Score the nearness of an object to its goal: 1 at the goal, one half at `NEAR`."""

    name = "mean nearness to the goal"

    def __init__(self, world: World, arrived: float, horizon: int) -> None:
        self._world, self._arrived, self.horizon = world, arrived, horizon

    def judge(self, actions: Float) -> Worth:
        """Return the nearness divided by the horizon, so that the sum over an episode is the mean nearness."""
        far = goal_distance(self._world)
        return Worth(1.0 / (1.0 + far / NEAR) / self.horizon, far < self._arrived, self._world.warnings() > 0)


def goal_distance(world: World) -> Float:
    """Return the distance of the object from its goal, (simulation,), in m."""
    return np.asarray(np.linalg.norm(world.signal("object_position") - world.signal("goal_position"), axis=1))


def distances_to(world: World, hand: int, target: Float) -> Float:
    """Return the sum (simulation,), in m, of the distances of a hand's five fingertips to a point (simulation, 3)."""
    tips = world.signal("grasp_position").reshape(world.count, len(HANDS), -1, 3)[:, hand]  # (simulation, finger, 3)
    return np.asarray(np.linalg.norm(tips - target[:, None], axis=-1).sum(axis=1))
