# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Simulate two dexterous hands that open and close a double door, throw and catch an object, and lift a pot.

The scenes are those of Bi-DexHands. `robot0` is the right hand of the tasks. `robot1` is the other hand, which is also
a right hand, turned round. Start poses are in m and rad, in the world frame with z up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.worlds.batch import MujocoWorld
from mat_ros.worlds.door import SIDES, DoubleDoor, add_door
from mat_ros.worlds.hand import BASE_AXES, JOINTS, MOTORS, Base, Look, Vector, add_hand, mount_orientation
from mat_ros.worlds.hand_signals import hand_sources, object_sources, watch_fingertips, watch_object
from mat_ros.worlds.objects import Pot, Toss, add_pot, add_toss
from mat_ros.worlds.scene import SUBSTEPS, CameraPose, empty_scene
from mat_ros.worlds.skin import dress
from mat_ros.worlds.world import Ids

HANDS = ("robot0", "robot1")
LOOKS = (Look((0.90, 0.91, 0.93, 1.0), (0.16, 0.45, 0.78, 1.0), (0.24, 0.27, 0.32, 1.0)),
         Look((0.90, 0.91, 0.93, 1.0), (0.88, 0.42, 0.16, 1.0), (0.24, 0.27, 0.32, 1.0)))
# Collision bits: each hand collides with the scene (1), the first hand also with the second (2), and no hand with
# itself.
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
    """Describe the poses of the hands and the object at the start of an episode."""

    hands: tuple[Vector, Vector]  # m, positions of the mounts
    turned: tuple[Vector, Vector]  # rad, Euler angles for `mount_orientation`
    base: Base | None  # None where the mounts are fixed to the world
    prop: DoubleDoor | Toss | Pot
    joint_noise: float = 0.0  # share of each joint's range over which its start position varies

    @property
    def cameras(self) -> tuple[CameraPose, ...]:
        """Return the cameras that frame the scene."""
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
    """Compile a scene; `skin` draws the hands with the meshes of gymnasium-robotics and changes no dynamics."""
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
    """Return the actuator of each commanded joint, in command order: per hand the base's wrench, then the servos."""
    found: dict[str, str] = {}
    for prefix in HANDS:
        if scene.base is not None:
            found |= {f"{prefix}:base_{axis}": f"{prefix}:base_{axis}" for axis in BASE_AXES}
        found |= {f"{prefix}:{hinge.name}": f"{prefix}:A_{hinge.name}" for hinge in MOTORS}
    return found


class DexHands(MujocoWorld):
    """Simulate many copies of two hands in one of the `SCENES`.

    A servo takes a position in rad. The base of a flying hand takes N and N*m in the world frame.
    """

    def __init__(self, name: str, count: int, threads: int = 1, skin: bool = False, scene: Scene | None = None) -> None:
        """Make `count` copies of a scene by name; curricula hand in a `scene` that replaces the registered one."""
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
        self.reach = 1.0  # share of the moments, counted back from the last one, at which an episode may begin
        self.along = np.zeros(count, dtype=bool)  # (simulation,), whether the present episode began at a moment

    def mount_positions(self) -> NDArray[np.float64]:
        """Return the positions of the mounts of flying hands, (simulation, hand, 3), in m."""
        firsts = [self._place(f"{prefix}:base", "qposadr") for prefix in HANDS]
        return np.stack([self._qpos[:, first:first + 3] for first in firsts], axis=1)

    @property
    def positions(self) -> NDArray[np.float64]:
        """Return a copy of the positions of all joints, (simulation, nq), in the form that `begin_at` takes."""
        return np.array(self._qpos)

    def begin_at(self, moments: NDArray[np.float64], share: float, reach: float = 1.0) -> None:
        """Start a share of the episodes at rest at one of the last `reach` (a share) of `moments` (moment, nq)."""
        if moments.ndim != 2 or moments.shape[1] != self.model.nq or not len(moments) or not 0.0 <= share <= 1.0:
            raise Refused("moments to begin at", f"an array (moment, {self.model.nq}) and a share in [0, 1]",
                          (moments.shape, share), "record them from a world of the same scene")
        self._moments, self._moment_share, self.reach = moments, share, reach

    def _start(self, rows: Ids) -> None:
        """Place joints and object at the scene's start pose with its noise, or at a moment of the curriculum."""
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
            # Both hands start in the same pose. The noise covers a share of each joint's range above its lower limit.
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
    """Return quaternions w, x, y, z of Rx(pi a) Ry(pi b) for turns (a, b) (n, 2) in [-1, 1)."""
    (a, b), half = turns.T, np.pi / 2
    return np.stack([np.cos(half * a) * np.cos(half * b), np.sin(half * a) * np.cos(half * b),
                     np.cos(half * a) * np.sin(half * b), np.sin(half * a) * np.sin(half * b)], axis=-1)
