# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Lift a heavy pot with both hands.

    reward = BONUS - R - L + [R < NEAR and L < NEAR] * WEIGHT * (HEIGHT - d)

R, L     distance of a hand's centre to its handle, in m
d        distance of the pot to its goal above, in m

The shaped reward adds RISE per metre by which the pot has come nearer to the goal.
"""

from __future__ import annotations

import numpy as np

from mat_ros.worlds.dexhands import DexHands
from mat_ros.worlds.task import Worth
from mat_ros.worlds.tasks.hands import HandsTask, goal_distance
from mat_ros.worlds.world import Float

BONUS, NEAR, FAR = 0.2, 0.08, 0.2  # reward, m, m
WEIGHT, HEIGHT = 3.0, 0.385  # reward per m, m from the table to the goal
RISE = 2.0  # reward per m, shaped
DROPPED = 0.3  # m above the floor, at or below which the pot counts as dropped


class LiftUnderarm(HandsTask):
    """Lift a pot by its two handles."""

    name, robot, aim, horizon = "lift_underarm", "dexhands_lift_underarm", "lift a heavy pot by both handles", 500
    near = 0.05  # m

    def judge(self, world: DexHands, actions: Float | None = None) -> Worth:
        """Return the judgement of the present state of every simulation."""
        handles = world.signal("handle_position").reshape(world.count, 2, 3)
        palms = world.signal("hand_position").reshape(world.count, 2, 3)
        gap = np.linalg.norm(handles - palms, axis=-1)  # (env, hand)
        place = world.signal("object_position")
        distance = goal_distance(world)
        near = (gap < NEAR).all(axis=1)
        return Worth(
            reward=BONUS - gap.sum(axis=1) + np.where(near, WEIGHT * (HEIGHT - distance), 0.0),
            shaping=self.shaping(RISE * (HEIGHT - distance)),
            done=distance < self.near,
            failed=(place[:, 2] <= DROPPED) | (gap > FAR).any(axis=1),
        )
