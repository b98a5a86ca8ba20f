# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Say what a task of two hands is: a scene, a robot, a horizon, and how a state is judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mat_ros.worlds.dexhands import HANDS, DexHands
from training.envs.protocol import Bool

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Judgement:
    """What one tick was worth. Arrays are (env,)."""

    reward: Float  # the published formula, unchanged
    progress: Float  # what the shaped reward adds
    success: Bool  # the task is done in this tick
    failed: Bool  # the episode is over before its time


class Task:
    """One task: a scene, a robot, a horizon, and how its state is judged."""

    name: ClassVar[str]  # also the scene
    robot: ClassVar[str]  # file of mat_ros/config/robots
    horizon: ClassVar[int]  # ticks
    aim: ClassVar[str]  # one line for the table of tasks

    def judge(self, world: DexHands) -> Judgement:
        """Judge the present state of every simulation."""
        raise NotImplementedError


def distances_to(world: DexHands, hand: int, target: Float) -> Float:
    """Sum the distances of a hand's five fingertips to a point (env, 3), in m."""
    tips = world.signal("grasp_position").reshape(world.count, len(HANDS), -1, 3)[:, hand]  # (env, finger, 3)
    return np.asarray(np.linalg.norm(tips - target[:, None], axis=-1).sum(axis=1))
