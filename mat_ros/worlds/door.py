# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Build a double door from boxes and capsules: two leaves between two rails, with bar handles on both faces.

The door stands in the plane x = 0, and the hands come from +x. Lengths are in m, masses in kg, angles in rad.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np

SIDES = ("left", "right")  # as seen from the hands: the left leaf is at -y, the right leaf at +y
SIGN = {"left": -1.0, "right": 1.0}

HEIGHT = 0.7  # height of the door's middle above the floor
HINGE = 0.4235  # distance from the door's middle to a hinge
LEAF_WIDTH, LEAF_HEIGHT, LEAF_THICKNESS = 0.417, 0.92, 0.018
LEAF_MASS = 4.0
RAIL_HALF = (0.03, 0.88, 0.022)
RAIL_OFFSET = 0.485  # distance from the door's middle to a rail's middle
POST_HALF, POST_OFFSET = (0.03, 0.022, 0.614), 0.858  # the posts carry the rails, far from the leaves
# The handle point is the point that a task calls the handle. The point lies between the leaf and the bar.
HANDLE_REACH = 0.39  # distance from the hinge to the handle point
HANDLE_DEPTH = 0.04  # distance by which the handle point lies in front of the leaf
HANDLE_HEIGHT = -0.0167  # height of the handle point above the door's middle
BAR_SPAN = (-0.19, 0.107)  # lowest and highest point of a bar, above the door's middle
BAR_RADIUS, STUB_RADIUS = 0.011, 0.009
BAR_MASS, STUB_MASS = 0.2, 0.05
OPEN_ANGLE = 1.5708
SPRING, SPRING_DAMPING = 5.0, 1.0  # N*m/rad and N*m*s/rad: the spring drives a leaf to its start angle
FRICTION = (0.55, 0.005, 0.0001)  # friction between hand and door; 0.55 is the mean of their coefficients 1.0 and 0.1

WOOD, STEEL, RAIL = (0.72, 0.52, 0.34, 1.0), (0.80, 0.81, 0.84, 1.0), (0.33, 0.35, 0.40, 1.0)


@dataclass(frozen=True)
class DoubleDoor:
    """Describe the direction in which the leaves swing and their angles at the start."""

    swings: Literal["inward", "outward"]  # towards the hands, or away from them
    starts: Literal["closed", "open"]
    standoff: float = 0.065  # distance from a leaf's middle to its bars' middle; a wider gap is easier to hook

    @property
    def start_angle(self) -> float:
        """Return the angle in rad at which both leaves start and to which their springs pull; 0 is closed."""
        return 0.0 if self.starts == "closed" else OPEN_ANGLE


def add_door(spec: mujoco.MjSpec, door: DoubleDoor) -> None:
    """Add the door: body `object`, joints `door_left`, `door_right`, sites `handle_left`, `handle_right`."""
    turned = door.swings == "inward"
    # An inward door is an outward door turned by half a turn about z. The two doors differ by the frame of their body.
    frame_quat = (0.0, 0.0, 1.0, 0.0) if turned else (1.0, 0.0, 0.0, 0.0)
    body = spec.worldbody.add_body(name="object", pos=(0.0, 0.0, HEIGHT), quat=frame_quat)
    upright = body.add_frame(quat=(frame_quat[0], *(-np.array(frame_quat[1:]))))
    rails = {"sill": (RAIL_HALF, (0.0, 0.0, -RAIL_OFFSET)), "lintel": (RAIL_HALF, (0.0, 0.0, RAIL_OFFSET))}
    posts = {f"post_{side}": (POST_HALF, (0.0, SIGN[side] * POST_OFFSET, RAIL_OFFSET - POST_HALF[2])) for side in SIDES}
    for name, (size, place) in (rails | posts).items():
        beam = body.add_geom(name=name, type=mujoco.mjtGeom.mjGEOM_BOX, size=size, pos=place, rgba=RAIL, contype=1,
                             conaffinity=1, friction=FRICTION, priority=1)
        beam.set_frame(upright)
    for side in SIDES:
        leaf = body.add_body(name=f"leaf_{side}", pos=(0.0, HINGE * SIGN[side], 0.0))
        leaf.set_frame(upright)
        _add_leaf(leaf, side, door)
        spec.add_exclude(name=f"object-leaf_{side}", bodyname1="object", bodyname2=f"leaf_{side}")
    spec.add_exclude(name="leaf_left-leaf_right", bodyname1="leaf_left", bodyname2="leaf_right")


def _add_leaf(leaf: mujoco.MjsBody, side: str, door: DoubleDoor) -> None:
    sign = SIGN[side]
    away = -1.0 if door.swings == "outward" else 1.0
    leaf.add_joint(name=f"door_{side}", type=mujoco.mjtJoint.mjJNT_HINGE, axis=(0.0, 0.0, sign * away),
                   range=(0.0, OPEN_ANGLE), limited=mujoco.mjtLimited.mjLIMITED_TRUE, stiffness=SPRING,
                   damping=SPRING_DAMPING, springref=door.start_angle, armature=0.01)
    solid = {"contype": 1, "conaffinity": 1, "friction": FRICTION, "priority": 1}
    leaf.add_geom(name=f"panel_{side}", type=mujoco.mjtGeom.mjGEOM_BOX, mass=LEAF_MASS, rgba=WOOD,
                  size=(LEAF_THICKNESS / 2, LEAF_WIDTH / 2, LEAF_HEIGHT / 2), pos=(0.0, -sign * LEAF_WIDTH / 2, 0.0),
                  **solid)
    low, high = BAR_SPAN
    y = -sign * HANDLE_REACH
    for face, x in (("front", door.standoff), ("back", -door.standoff)):
        leaf.add_geom(name=f"bar_{side}_{face}", type=mujoco.mjtGeom.mjGEOM_CAPSULE, fromto=(x, y, low, x, y, high),
                      size=(BAR_RADIUS, 0.0, 0.0), mass=BAR_MASS, rgba=STEEL, **solid)
        for end, z in (("low", low), ("high", high)):
            leaf.add_geom(name=f"stub_{side}_{face}_{end}", type=mujoco.mjtGeom.mjGEOM_CAPSULE,
                          fromto=(0.0, y, z, x, y, z), size=(STUB_RADIUS, 0.0, 0.0), mass=STUB_MASS, rgba=STEEL,
                          **solid)
    leaf.add_site(name=f"handle_{side}", pos=(HANDLE_DEPTH, y, HANDLE_HEIGHT), size=(0.008, 0.0, 0.0), group=4)
