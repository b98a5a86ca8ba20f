# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Throw an object from one hand to the other.

    reward = exp(-DECAY * (weight * d + turn))

d        distance of the object to its goal, in m
turn     angle between the object's orientation and the goal's, in rad

The shaped reward adds APPROACH * exp(-d / REACH). This term has a slope further away from the goal, and it ignores
the orientation, since the object looks the same from every side.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mat_ros.worlds.dexhands import DexHands
from mat_ros.worlds.task import Script, Worth
from mat_ros.worlds.tasks.hands import HandsTask, goal_distance
from mat_ros.worlds.tasks.throw import Throw
from mat_ros.worlds.world import Float

DECAY = 0.2
APPROACH, REACH = 1.0, 0.25  # reward, m
DRIFT = 0.1  # m, largest distance that a flying mount may move from its start


class TossTask(HandsTask):
    """Judge the state of a throw, in the same way for the three throwing tasks."""

    horizon, near = 75, 0.03  # ticks, m
    weight: ClassVar[float] = 50.0  # weight of the distance in the reward, per m
    lost: ClassVar[float]  # m, height at or below which the object counts as dropped
    tethered: ClassVar[bool] = False  # True where the hands must stay near their start

    def judge(self, world: DexHands, actions: Float | None = None) -> Worth:
        """Return the judgement of the present state of every simulation."""
        place = world.signal("object_position")
        distance = goal_distance(world)
        turn = 2.0 * np.arcsin(np.clip(np.linalg.norm(world.signal("object_from_goal")[:, :3], axis=1), 0.0, 1.0))
        failed = place[:, 2] <= self.lost
        if self.tethered:
            failed = failed | (self._drift(world) >= DRIFT).any(axis=1)
        return Worth(
            reward=np.exp(-DECAY * (self.weight * distance + turn)),
            shaping=self.shaping(APPROACH * np.exp(-distance / REACH)),
            done=distance < self.near,
            failed=failed,
        )

    def _drift(self, world: DexHands) -> Float:
        """Return the distance (env, hand), in m, of each mount from its start."""
        return np.asarray(np.linalg.norm(world.mount_positions() - np.asarray(world.scene.hands), axis=-1))


class Over(TossTask):
    """Throw an egg from one fixed hand to the other."""

    name, robot, aim = "over", "dexhands_over", "throw an egg from hand to hand, mounts fixed"
    lost = 0.2

    def script(self) -> Script:
        """Return the script of a throw."""
        return Throw()


class CatchUnderarm(TossTask):
    """Throw an egg underarm between two hands whose mounts fly."""

    name, robot, aim = "catch_underarm", "dexhands_catch_underarm", "throw an egg underarm, mounts free"
    lost = 0.1


class CatchOver2Underarm(TossTask):
    """Throw an egg from an upright hand to an open palm."""

    name, robot = "catch_over2underarm", "dexhands_catch_over2underarm"
    aim = "throw an egg from an upright hand to an open palm"
    weight, lost, tethered = 20.0, 0.3, True
