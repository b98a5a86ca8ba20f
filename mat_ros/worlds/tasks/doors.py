# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Open and close a double door with two hands.

    reward = bonus - R - L + [R < NEAR and L < NEAR] * (OPENING * dy, or 1 - OPENING * dy to close)

R, L     distance of a hand's five fingertips to its handle, summed, in m
dy       distance between the two handles across the door, in m: about 0.07 closed, 0.8 fully open

The published formula pays well for hands that only hover at the handles. The shaped reward adds PROGRESS per metre
that the door has moved, wherever the hands are.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mat_ros.worlds.dexhands import DexHands
from mat_ros.worlds.task import Bool, Score, Script, Worth
from mat_ros.worlds.tasks.hands import HandsTask, distances_to
from mat_ros.worlds.tasks.pull import WAYS, Pull
from mat_ros.worlds.world import Float, World

NEAR = 0.5  # m, summed over five fingertips: 10 cm each
FAR = 1.5  # m, sum at which the episode ends
OPENING = 2.0  # reward per m
PROGRESS = 4.0  # reward per m, shaped
SHUT = 0.75  # m between the handles of an open door; progress of closing is measured from here
DOOR_OPEN = 0.5  # m between the handles; a smaller distance is shut


class DoorTask(HandsTask):
    """Judge the state of a door, in the same way for the four door tasks."""

    robot = "dexhands_door"
    horizon = 250
    opening: ClassVar[bool]
    bonus: ClassVar[float] = 2.0
    far: ClassVar[float] = FAR

    def judge(self, world: DexHands, actions: Float | None = None) -> Worth:
        """Return the judgement of the present state of every simulation."""
        handles = world.signal("handle_position").reshape(world.count, 2, 3)  # right, left
        right, left = (distances_to(world, hand, handles[:, hand]) for hand in (0, 1))
        apart = handles_apart(world)
        near = (right < NEAR) & (left < NEAR)
        pull = OPENING * apart if self.opening else 1.0 - OPENING * apart
        return Worth(
            reward=self.bonus - right - left + np.where(near, pull, 0.0),
            shaping=self.shaping(PROGRESS * (apart if self.opening else SHUT - apart)),
            done=door_moved(world, self.opening),
            failed=(right >= self.far) | (left >= self.far),
        )

    def score(self, world: World) -> Score:
        """Return the motion of the door."""
        return DoorMotion(world, self.opening, self.horizon)

    def script(self) -> Script:
        """Return the script of a door that has to be pulled."""
        return Pull(self.name) if self.name in WAYS else super().script()


class DoorMotion:
    """Score the opening or closing of a door, in m between its handles, summed over ticks."""

    name = "handle distance, m ticks"

    def __init__(self, world: World, opens: bool, horizon: int) -> None:
        self._world, self._opens, self.horizon = world, opens, horizon
        self._shut = 0.0 if opens else float(handles_apart(world).max())

    def judge(self, actions: Float) -> Worth:
        """Return the opening, or the part of the opening that has been closed."""
        apart = handles_apart(self._world)
        return Worth(apart if self._opens else self._shut - apart, door_moved(self._world, self._opens),
                     self._world.warnings() > 0)


def handles_apart(world: World) -> Float:
    """Return the distance between the two handles across the door, (simulation,), in m."""
    handles = world.signal("handle_position").reshape(world.count, 2, 3)
    return np.asarray(np.abs(handles[:, 0, 1] - handles[:, 1, 1]))


def door_moved(world: World, opening: bool) -> Bool:
    """Return whether the door is as far open or shut as its task requires, (simulation,)."""
    apart = handles_apart(world)
    return np.asarray(apart > DOOR_OPEN if opening else apart < DOOR_OPEN)


class DoorOpenOutward(DoorTask):
    """Push both leaves away."""

    name, opening, aim = "door_open_outward", True, "push both leaves of a door open"


class DoorOpenInward(DoorTask):
    """Pull both leaves towards the hands."""

    name, opening, aim = "door_open_inward", True, "pull both leaves of a door open by their handles"


class DoorCloseInward(DoorTask):
    """Push two open leaves shut."""

    name, opening, aim = "door_close_inward", False, "push both leaves of an open door shut"


class DoorCloseOutward(DoorTask):
    """Pull two open leaves shut. The hands start further from the handles than usual, so the limits are wider."""

    name, opening, aim = "door_close_outward", False, "pull both leaves of an open door shut by their handles"
    bonus, far = 6.0, 3.0
