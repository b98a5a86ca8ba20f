# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Throw from a fixed hand to the other: the script of a wrist that flicks.

Found by search (cross-entropy over the numbers below, 24 starts each) and rounded. It looks at nothing but the clock,
and the object lies differently in the hand each time: two of three throws come within 3 cm of the goal. That is enough
to show a policy what a throw is; it learns to aim by itself.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from mat_ros.worlds.dexhands import HANDS, DexHands

Float = NDArray[np.float64]

LONG_FINGERS = ("FF", "MF", "RF", "LF")
JOINTS = (("WRJ0",), *(tuple(finger + joint for finger in LONG_FINGERS) for joint in ("J2", "J1")),
          ("THJ4",), ("THJ3",))  # what each angle of a posture is of


@dataclass(frozen=True)
class Posture:
    """How a hand stands, in rad."""

    wrist: float = 0.0  # less bends it upwards
    knuckles: float = 0.0  # of the long fingers
    middles: float = 0.0
    thumb: float = 0.0  # across the palm
    thumb_bend: float = 0.0


# When the thrower has glided into which posture, in ticks.
THROW = (
    (13, Posture(wrist=-0.2, knuckles=0.8, middles=0.45)),
    (19, Posture(wrist=-0.7, thumb_bend=0.5)),
    (27, Posture(wrist=0.1, middles=0.1, thumb=0.5, thumb_bend=0.5)),
)
CATCHER = Posture(wrist=-0.2, knuckles=0.3, thumb=0.3, thumb_bend=0.3)


class Throw:
    """The script of the task `over`; see `training.envs.dexhands.guide.Guide`."""

    def command(self, world: DexHands) -> Float:
        """Give the commands (env, joint) of both hands by now."""
        command = np.zeros((world.count, len(world.joint_names)))
        times, postures = zip((0, Posture()), *THROW, strict=True)
        thrower = [np.interp(world.ticks, times, angles) for angles in zip(*map(astuple, postures), strict=True)]
        for hand, angles in zip(HANDS, (thrower, astuple(CATCHER)), strict=True):
            for joints, angle in zip(JOINTS, angles, strict=True):
                for joint in joints:
                    command[:, world.joint_names.index(f"{hand}:{joint}")] = angle
        return np.clip(command, world.command_lower, world.command_upper)
