# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define a task of two hands: a scene, a robot, a horizon, and the judgement of a state."""

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
    """Hold the reward and the outcome of one tick. Arrays are (env,)."""

    reward: Float  # reward by the published formula, unchanged
    progress: Float  # the term that the shaped reward adds
    done: Bool  # True where the task is done in this tick
    failed: Bool  # True where the episode ends early


class Task:
    """Name a scene, a robot and a horizon, and judge the state of the scene."""

    name: ClassVar[str]  # also the name of the scene
    robot: ClassVar[str]  # name of a file in mat_ros/config/robots
    horizon: ClassVar[int]  # ticks
    aim: ClassVar[str]  # one line about the task, for the table of tasks

    def judge(self, world: DexHands) -> Judgement:
        """Return the judgement of the present state of every simulation."""
        raise NotImplementedError


def distances_to(world: DexHands, hand: int, target: Float) -> Float:
    """Return the sum (env,), in m, of the distances of a hand's five fingertips to a point (env, 3)."""
    tips = world.signal("grasp_position").reshape(world.count, len(HANDS), -1, 3)[:, hand]  # (env, finger, 3)
    return np.asarray(np.linalg.norm(tips - target[:, None], axis=-1).sum(axis=1))
