# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Throw an egg from a fixed hand to the other by a script that flicks the wrist.

A search found the numbers below (cross-entropy, 20 starts each), and they were rounded. The script reads nothing but
the clock, and the egg lies differently in the hand each time. Two of three throws come within 3 cm of the goal. That is
enough to teach a policy the motion of a throw; the policy learns to aim without the script.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from mat_ros.worlds.dexhands import HANDS, DexHands

Float = NDArray[np.float64]

LONG_FINGERS = ("FF", "MF", "RF", "LF")
JOINTS = (("WRJ0",), *(tuple(finger + joint for finger in LONG_FINGERS) for joint in ("J2", "J1")),
          ("THJ4",), ("THJ3",))  # the joints that each angle of a posture sets


@dataclass(frozen=True)
class Posture:
    """Hold the angles of a hand's joints, in rad."""

    wrist: float = 0.0  # a smaller angle bends the wrist upwards
    knuckles: float = 0.0  # angle of the knuckles of the long fingers
    middles: float = 0.0
    thumb: float = 0.0  # angle of the thumb across the palm
    thumb_bend: float = 0.0


# Tick at which the throwing hand has reached each posture.
THROW = (
    (11, Posture(wrist=-0.1, knuckles=0.8, middles=0.6, thumb=0.25)),
    (17, Posture(wrist=-0.7, thumb_bend=0.5)),
    (27, Posture(wrist=0.2, thumb=0.35, thumb_bend=0.5)),
)
CATCHER = Posture(wrist=-0.1, knuckles=0.3, thumb=0.3, thumb_bend=0.3)


class Throw:
    """Command the two hands of the task `over`; see `mat_ros.worlds.task.Script`."""

    def command(self, world: DexHands) -> Float:
        """Return the commands (env, joint) of both hands for the present tick."""
        command = np.zeros((world.count, len(world.joint_names)))
        postures: tuple[tuple[int, Posture], ...] = ((0, Posture()), *THROW)
        reached = np.array([astuple(posture) for _, posture in postures])  # (posture, angle)
        thrower = [np.interp(world.ticks, [tick for tick, _ in postures], angles) for angles in reached.T]
        for hand, angles in zip(HANDS, (thrower, astuple(CATCHER)), strict=True):
            for joints, angle in zip(JOINTS, angles, strict=True):
                for joint in joints:
                    command[:, world.joint_names.index(f"{hand}:{joint}")] = angle
        return np.clip(command, world.command_lower, world.command_upper)
