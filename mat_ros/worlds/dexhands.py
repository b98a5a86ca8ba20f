# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Simulate two dexterous hands at a double door, at throwing and catching, and at lifting a pot.

The scenes are those of Bi-DexHands: `robot0` is the right hand of its tasks and `robot1` the other one, which is a
right hand as well, turned round. Start poses in m and rad, world frame with z up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.worlds.batch import Ids, World
from mat_ros.worlds.door import SIDES, DoubleDoor, add_door
from mat_ros.worlds.hand import BASE_AXES, JOINTS, MOTORS, Base, Look, Vector, add_hand, mount_orientation
from mat_ros.worlds.hand_signals import hand_sources, object_sources, watch_fingertips, watch_object
from mat_ros.worlds.objects import Pot, Toss, add_pot, add_toss
from mat_ros.worlds.scene import SUBSTEPS, CameraPose, empty_scene
from mat_ros.worlds.skin import dress

HANDS = ("robot0", "robot1")
LOOKS = (Look((0.90, 0.91, 0.93, 1.0), (0.16, 0.45, 0.78, 1.0), (0.24, 0.27, 0.32, 1.0)),
         Look((0.90, 0.91, 0.93, 1.0), (0.88, 0.42, 0.16, 1.0), (0.24, 0.27, 0.32, 1.0)))
# Bits of collision: each hand meets the scene (1), and the first hand meets the second (2), never itself.
CONTYPES, CONAFFINITIES = (3, 1), (0, 2)
GRAVITY = -9.81

FACING = ((3.14159, 1.57, 1.57), (3.14159, -1.57, 1.57))  # palms towards each other, fingers to -x
PALMS_UP = ((0.0, 0.0, 0.0), (0.0, 0.0, 3.1415))  # fingers towards each other
PALM_OVER = ((1.57 + 0.1, 3.14, 0.0), (0.0, 0.0, 3.1415))  # the first hand upright
DOOR_BASE = Base(force=833.0, torque=8.33)

DOOR_CAMERAS = (
    CameraPose("overview", (1.60, 0.95, 1.35), (0.10, 0.0, 0.64), 42.0),
    CameraPose("behind", (1.9, 0.0, 1.2), (0.0, 0.0, 0.68), 42.0),
    CameraPose("close", (0.62, 0.45, 0.95), (0.08, 0.0, 0.68), 48.0),
)
TABLE_CAMERAS = (
    CameraPose("overview", (1.35, -0.5, 1.0), (0.0, -0.5, 0.6), 48.0),
    CameraPose("behind", (0.5, 0.75, 1.15), (0.0, -0.5, 0.5), 48.0),
    CameraPose("close", (0.62, -0.5, 0.85), (0.0, -0.5, 0.55), 48.0),
)


@dataclass(frozen=True)
class Scene:
    """What stands where when an episode starts."""

    hands: tuple[Vector, Vector]  # positions of the mounts
    turned: tuple[Vector, Vector]  # Euler angles of `mount_orientation`
    base: Base | None  # None: mounts fixed to the world
    prop: DoubleDoor | Toss | Pot
    joint_noise: float = 0.0  # share of each joint's range over which it may start

    @property
    def cameras(self) -> tuple[CameraPose, ...]:
        """Give the cameras that frame the scene."""
        return DOOR_CAMERAS if isinstance(self.prop, DoubleDoor) else TABLE_CAMERAS


_AT_DOOR = ((0.55, 0.2, 0.6), (0.55, -0.2, 0.6))
_AT_OPEN_LEAVES = ((0.9, 0.5, 0.6), (0.9, -0.5, 0.6))
SCENES: Mapping[str, Scene] = {
    "door_open_inward": Scene(_AT_DOOR, FACING, DOOR_BASE, DoubleDoor("inward", "closed")),
    "door_open_outward": Scene(_AT_DOOR, FACING, DOOR_BASE, DoubleDoor("outward", "closed")),
    "door_close_inward": Scene(_AT_OPEN_LEAVES, FACING, DOOR_BASE, DoubleDoor("inward", "open")),
    "door_close_outward": Scene(_AT_DOOR, FACING, DOOR_BASE, DoubleDoor("outward", "open")),
    "over": Scene(((0.0, 0.0, 0.5), (0.0, -1.0, 0.5)), PALMS_UP, None,
                  Toss("egg", (0.0, -0.39, 0.54), (0.0, -0.64, 0.54), noise=0.01), joint_noise=0.2),
    "catch_underarm": Scene(((0.0, 0.0, 0.5), (0.0, -1.15, 0.5)), PALMS_UP, Base(force=83.3, torque=8.33),
                            Toss("egg", (0.0, -0.39, 0.54), (0.0, -0.79, 0.54), noise=0.01), joint_noise=0.2),
    "catch_over2underarm": Scene(((0.0, 0.0, 0.5), (0.0, -0.8, 0.5)), PALM_OVER, Base(force=166.7, torque=33.3),
                                 Toss("egg", (0.0, 0.05, 1.0), (0.0, -0.4, 0.55))),
    "lift_underarm": Scene(((0.0, 0.05, 0.45), (0.0, -1.25, 0.45)), PALMS_UP, Base(force=416.7, torque=16.7),
                           Pot((0.0, -0.65, 0.465), (0.0, -0.65, 0.85))),
}


def build(name: str, scene: Scene, skin: bool = False) -> mujoco.MjModel:
    """Compile a scene; `skin` dresses the hands in the meshes of gymnasium-robotics, which change nothing but looks."""
    spec = empty_scene(name, 0.0 if isinstance(scene.prop, DoubleDoor) else GRAVITY, scene.cameras)
    for k, prefix in enumerate(HANDS):
        add_hand(spec, prefix, scene.hands[k], mount_orientation(scene.turned[k]), scene.base, LOOKS[k],
                 CONTYPES[k], CONAFFINITIES[k])
        watch_fingertips(spec, prefix)
    if isinstance(scene.prop, DoubleDoor):
        add_door(spec, scene.prop)
    elif isinstance(scene.prop, Toss):
        add_toss(spec, scene.prop)
    else:
        add_pot(spec, scene.prop)
    watch_object(spec)
    if skin:
        dress(spec, HANDS)
    model = spec.compile()
    if scene.base is not None:
        for prefix in HANDS:
            first = int(model.joint(f"{prefix}:base").dofadr[0])
            model.dof_damping[first:first + 3], model.dof_damping[first + 3:first + 6] = (scene.base.drag,
                                                                                         scene.base.spin_drag)
    return model


def command_joints(scene: Scene) -> dict[str, str]:
    """Give the actuator of each commanded joint, in command order: per hand the base's wrench, then the servos."""
    found: dict[str, str] = {}
    for prefix in HANDS:
        if scene.base is not None:
            found |= {f"{prefix}:base_{axis}": f"{prefix}:base_{axis}" for axis in BASE_AXES}
        found |= {f"{prefix}:{hinge.name}": f"{prefix}:A_{hinge.name}" for hinge in MOTORS}
    return found


class DexHands(World):
    """Two hands in one of the `SCENES`, many times over.

    Commands are positions in rad for the servos, and N and N*m in the world's frame for the bases of hands that fly.
    """

    def __init__(self, name: str, count: int, threads: int = 1, skin: bool = False, scene: Scene | None = None) -> None:
        """Make `count` copies of a scene by name; `scene` replaces the registered one, as curricula do."""
        if scene is None and name not in SCENES:
            raise Refused("scene", f"one of {sorted(SCENES)}", name, "choose one of them")
        self.name = name
        self.scene = scene or SCENES[name]
        model = build(name, self.scene, skin)
        actuators = command_joints(self.scene)
        super().__init__(model, count, threads, SUBSTEPS, actuators,
                         (*hand_sources(model, HANDS, tuple(actuators)), *object_sources(model)))
        self._goal_quat = self._batch.bind("mocap_quat")  # (simulation, goal, 4)
        self._moments, self._moment_share = np.zeros((0, model.nq)), 0.0
        self.reach = 1.0  # share of the moments, from the last one, at which episodes may begin
        self.along = np.zeros(count, dtype=bool)  # whether the present episode began at one of them

    def mount_positions(self) -> NDArray[np.float64]:
        """Give where the mounts of flying hands are, (simulation, hand, 3), in m."""
        firsts = [self._place(f"{prefix}:base", "qposadr") for prefix in HANDS]
        return np.stack([self._qpos[:, first:first + 3] for first in firsts], axis=1)

    @property
    def positions(self) -> NDArray[np.float64]:
        """Copy the positions of all joints, (simulation, nq): what `begin_at` takes."""
        return np.array(self._qpos)

    def begin_at(self, moments: NDArray[np.float64], share: float, reach: float = 1.0) -> None:
        """Let a share of the episodes begin, at rest, at one of the last `reach` of these positions (moment, nq)."""
        if moments.ndim != 2 or moments.shape[1] != self.model.nq or not len(moments) or not 0.0 <= share <= 1.0:
            raise Refused("moments to begin at", f"an array (moment, {self.model.nq}) and a share in [0, 1]",
                          (moments.shape, share), "record them from a world of the same scene")
        self._moments, self._moment_share, self.reach = moments, share, reach

    def _start(self, rows: Ids) -> None:
        """Place joints and object where the scene says, scattered by its noise, or as a curriculum has it."""
        hinges = len(JOINTS)
        draws = 2.0 * self.uniform(rows, hinges + 7 + (2 if self._moment_share else 0)) - 1.0  # in [-1, 1)
        prop = self.scene.prop
        if isinstance(prop, DoubleDoor):
            for side in SIDES:
                self._qpos[rows, self._place(f"door_{side}", "qposadr")] = prop.start_angle
        elif isinstance(prop, Toss):
            first = self._place("object", "qposadr")
            self._qpos[rows, first:first + 3] = np.asarray(prop.position) + prop.noise * draws[:, hinges:hinges + 3]
            self._qpos[rows, first + 3:first + 7] = _tumbled(draws[:, hinges + 3:hinges + 5])
            self._goal_quat[rows, 0] = _tumbled(draws[:, hinges + 5:hinges + 7])
        if self.scene.joint_noise > 0.0:
            lower, upper = np.array([(hinge.lower, hinge.upper) for hinge in JOINTS]).T
            share = 0.5 * (draws[:, :hinges] + 1.0)
            # Both hands start alike; the noise reaches over a share of the range that begins at the lower limits.
            for prefix in HANDS:
                places = [self._place(f"{prefix}:{hinge.name}", "qposadr") for hinge in JOINTS]
                self._qpos[rows[:, None], places] = self.scene.joint_noise * (lower + share * (upper - lower))
        if self._moment_share:
            chance, which = 0.5 * (draws[:, -2:].T + 1.0)  # in [0, 1)
            along = chance < self._moment_share
            back = (which[along] * max(1.0, self.reach * len(self._moments))).astype(np.intp)
            self._qpos[rows[along]] = self._moments[len(self._moments) - 1 - back]
            self.along[rows] = along


def _tumbled(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give quaternions w, x, y, z of Rx(pi a) Ry(pi b) for turns (n, 2) in [-1, 1)."""
    (a, b), half = turns.T, np.pi / 2
    return np.stack([np.cos(half * a) * np.cos(half * b), np.sin(half * a) * np.cos(half * b),
                     np.cos(half * a) * np.sin(half * b), np.sin(half * a) * np.sin(half * b)], axis=-1)
