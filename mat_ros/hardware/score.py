# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Judge the ticks of a simulated robot, as its task does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mat_ros.core.decide import Float32
from mat_ros.worlds.batch import World
from mat_ros.worlds.dexhands import DexHands
from mat_ros.worlds.mamujoco import Locomotion

HORIZON = 1000  # ticks of an episode, unless the task says otherwise


@dataclass(frozen=True)
class Verdict:
    """What one tick was worth."""

    reward: float
    success: bool  # the task is done
    over: bool  # the episode ends here


class Score(Protocol):
    """The judge of one task."""

    def judge(self, actions: Float32) -> Verdict:
        """Judge the tick that has just been stepped, decided with actions (slot, act_dim)."""
        ...


class LocomotionScore:
    """Pay for speed, less the effort; an episode ends with a fall."""

    def __init__(self, world: Locomotion) -> None:
        self._world = world

    def judge(self, actions: Float32) -> Verdict:
        """Judge the tick."""
        task, world = self._world.task, self._world
        upright = bool(world.upright()[0])
        # As in the published tasks, the cost is that of the action before the motors' limits.
        effort = float(np.square(actions, dtype=np.float64).sum())
        reward = task.forward * float(world.speed()[0]) - task.control_cost * effort + task.alive * upright
        return Verdict(reward, False, not upright or int(world.ticks[0]) >= HORIZON)


DOOR_HORIZON = 250  # ticks
DOOR_OPEN = 0.5  # m between the handles


class DoorScore:
    """Pay for how far the door is open, in m between the handles."""

    def __init__(self, world: DexHands, opening: bool) -> None:
        self._world, self._opening = world, opening

    def judge(self, actions: Float32) -> Verdict:
        """Judge the tick."""
        handles = self._world.signal("handle_position").reshape(2, 3)
        apart = float(abs(handles[0, 1] - handles[1, 1]))
        return Verdict(apart, apart > DOOR_OPEN if self._opening else apart < DOOR_OPEN,
                       int(self._world.ticks[0]) >= DOOR_HORIZON)


class NoScore:
    """Judge nothing but the time."""

    def __init__(self, world: World) -> None:
        self._world = world

    def judge(self, actions: Float32) -> Verdict:
        """Judge the tick."""
        return Verdict(0.0, False, int(self._world.ticks[0]) >= HORIZON)


def score_of(world: World, task: str) -> Score:
    """Find the judge of a task."""
    if isinstance(world, Locomotion):
        return LocomotionScore(world)
    if isinstance(world, DexHands) and task.startswith("door"):
        return DoorScore(world, "open" in task)
    return NoScore(world)
