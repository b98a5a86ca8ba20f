# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Pull a door by a script that takes hold of the bars and moves the leaves.

A door that has to be pulled pays nothing until fingers are behind its bars, and chance does not bring them there. A
simple script does. Episodes of a curriculum may begin at its moments, or a policy imitates it before it learns alone.

Lengths are in m, angles in rad. A leg states where the right hand's palm goes; the other hand mirrors it in y and yaw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mat_ros.worlds.dexhands import HANDS, DexHands
from mat_ros.worlds.world import Float

PULL, TWIST = 12_000.0, 80.0  # N/m and N*m/rad: gains of the script, far below the limits of the bases
LONG_FINGERS = ("FF", "MF", "RF", "LF")
MIRROR = np.array([1.0, -1.0, 1.0])
BAR = 0.68  # height of the middle of the bars


@dataclass(frozen=True)
class Leg:
    """Move the palms to a place in a straight line."""

    ticks: int
    palm: tuple[float, float]  # x, y; the height is always that of the bars
    yaw: float  # angle about the vertical, from the orientation at the start
    bend: float = 0.0  # angle of the last driven joint of each long finger


WAYS: Mapping[str, tuple[Leg, ...]] = {
    # Beside the bars, fingers hooked behind them, then back along the arc of the handles while the hands turn.
    "door_open_inward": (Leg(50, (0.150, 0.055), 0.3), Leg(15, (0.150, 0.055), 0.3), Leg(35, (0.102, 0.045), 0.3, 1.57),
                         Leg(20, (0.220, 0.062), 0.5, 1.57), Leg(20, (0.328, 0.113), 0.8, 1.57),
                         Leg(20, (0.415, 0.193), 1.1, 1.57), Leg(20, (0.475, 0.294), 1.4, 1.57)),
    # Between the open leaves, straight fingers behind the bars, then both hands to the middle.
    "door_close_outward": (Leg(70, (-0.100, 0.270), -0.35), Leg(40, (-0.220, 0.270), -0.35),
                           Leg(30, (-0.245, 0.310), -0.35), Leg(30, (-0.310, 0.320), -0.35),
                           Leg(25, (-0.300, 0.241), -0.29), Leg(25, (-0.290, 0.164), -0.23),
                           Leg(25, (-0.280, 0.094), -0.17)),
}


class Pull:
    """Command the hands at one door; see `mat_ros.worlds.task.Script`."""

    def __init__(self, door: str) -> None:
        world = DexHands(door, 1)
        world.reset(seed=0)
        self._start = world.signal("hand_orientation").reshape(2, 4)
        before = np.array([*world.signal("hand_position").reshape(2, 3)[0, :2], 0.0, 0.0])
        aims: list[Float] = []  # x, y, yaw, bend
        for leg in WAYS[door]:
            after = np.array([*leg.palm, leg.yaw, leg.bend])
            aims += [(1 - share) * before + share * after for share in np.linspace(0.0, 1.0, leg.ticks + 1)[1:]]
            before = after
        self._aims = np.array(aims)  # (tick, 4)

    def __len__(self) -> int:
        return len(self._aims)

    def command(self, world: DexHands) -> Float:
        """Return the commands (env, joint) that draw both hands to their aims of the present tick."""
        command = np.zeros((world.count, len(world.joint_names)))
        x, y, yaw, bend = self._aims[np.minimum(world.ticks, len(self) - 1)].T  # (env,)
        palms = world.signal("hand_position").reshape(-1, 2, 3)
        turned = world.signal("hand_orientation").reshape(-1, 2, 4)
        for k, hand in enumerate(HANDS):
            side = MIRROR if k else np.ones(3)
            force = PULL * (side * np.stack([x, y, np.full_like(x, BAR)], axis=-1) - palms[:, k])
            half, none = 0.5 * side[1] * yaw, np.zeros_like(yaw)
            wanted = _product(np.stack([none, none, np.sin(half), np.cos(half)], axis=-1), self._start[k])
            error = _product(wanted, turned[:, k] * (-1.0, -1.0, -1.0, 1.0))
            torque = TWIST * np.sign(error[:, 3:]) * error[:, :3]
            for name, value in (*((f"base_force_{axis}", force[:, i]) for i, axis in enumerate("xyz")),
                                *((f"base_torque_{axis}", torque[:, i]) for i, axis in enumerate("xyz")),
                                *((f"{finger}J1", bend) for finger in LONG_FINGERS)):
                command[:, world.joint_names.index(f"{hand}:{name}")] = value
        return np.clip(command, world.command_lower, world.command_upper)


def _product(one: Float, other: Float) -> Float:
    """Return the product of two quaternions (..., 4), each x, y, z, w."""
    (x, y, z, w), (a, b, c, d) = np.moveaxis(one, -1, 0), np.moveaxis(other, -1, 0)
    return np.stack([w * a + x * d + y * c - z * b, w * b - x * c + y * d + z * a, w * c + x * b - y * a + z * d,
                     w * d - x * a - y * b - z * c], axis=-1)
