# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Build the objects that hands throw, catch and lift: an egg, a ball, a block and a pot.

Every object is the body `object` and has a body `goal`. Lengths are in m, masses in kg, densities in kg/m^3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np

from mat_ros.worlds.hand import Vector

GEOM = mujoco.mjtGeom
SHAPES = {
    "egg": (GEOM.mjGEOM_ELLIPSOID, (0.03, 0.03, 0.04)),
    "ball": (GEOM.mjGEOM_SPHERE, (0.035, 0.0, 0.0)),
    "block": (GEOM.mjGEOM_BOX, (0.025, 0.025, 0.025)),
}
TOSS_DENSITY = 500.0
TOSS_COLOUR, GOAL_COLOUR = (0.95, 0.55, 0.18, 1.0), (0.25, 0.85, 0.45, 0.35)

POT_RADIUS, POT_HALF_HEIGHT = 0.12, 0.063
POT_MASS, POT_FRICTION = 4.0, (3.0, 0.005, 0.0001)
POT_LOOP_REACH, POT_LOOP_HALF_WIDTH, POT_LOOP_HEIGHT, POT_LOOP_RADIUS = 0.175, 0.05, 0.062, 0.006
POT_HANDLE = (0.15, 0.06)  # outwards and up from the pot's middle; a task calls this point the handle
TABLE_HALF, TABLE_POSITION = (0.15, 0.15, 0.2), (0.0, -0.6, 0.2)
POT_COLOUR, LOOP_COLOUR, TABLE_COLOUR = (0.70, 0.26, 0.22, 1.0), (0.2, 0.2, 0.22, 1.0), (0.55, 0.50, 0.45, 1.0)


@dataclass(frozen=True)
class Toss:
    """Describe an object that one hand throws to the other."""

    kind: Literal["egg", "ball", "block"]
    position: Vector  # at the start, varied by up to `noise` in each direction
    goal: Vector
    noise: float = 0.0  # m


@dataclass(frozen=True)
class Pot:
    """Describe a pot with two handles on a table, which the hands lift to the goal."""

    position: Vector
    goal: Vector


def add_toss(spec: mujoco.MjSpec, toss: Toss) -> None:
    """Add the thrown object as the body `object` on the free joint `object`, and its `goal`."""
    kind, size = SHAPES[toss.kind]
    body = spec.worldbody.add_body(name="object", pos=toss.position)
    body.add_freejoint(name="object")
    body.add_geom(name="object", type=kind, size=size, density=TOSS_DENSITY, condim=4, friction=(1.0, 0.005, 0.001),
                  contype=1, conaffinity=1, rgba=TOSS_COLOUR)
    _add_goal(spec, toss.goal).add_geom(name="goal", type=kind, size=size, **_ghost())


def add_pot(spec: mujoco.MjSpec, pot: Pot) -> None:
    """Add the pot with its loops and sites `handle_left`, `handle_right`, its table and its `goal`."""
    spec.worldbody.add_geom(name="table", type=GEOM.mjGEOM_BOX, size=TABLE_HALF, pos=TABLE_POSITION, contype=1,
                            conaffinity=1, friction=POT_FRICTION, rgba=TABLE_COLOUR)
    body = spec.worldbody.add_body(name="object", pos=pot.position)
    body.add_freejoint(name="object")
    solid = {"contype": 1, "conaffinity": 1, "friction": POT_FRICTION, "condim": 4}
    body.add_geom(name="pot", type=GEOM.mjGEOM_CYLINDER, size=(POT_RADIUS, POT_HALF_HEIGHT, 0.0), mass=POT_MASS * 0.9,
                  rgba=POT_COLOUR, **solid)
    for side, sign in (("left", -1.0), ("right", 1.0)):
        y, z, w = sign * POT_LOOP_REACH, POT_LOOP_HEIGHT, POT_LOOP_HALF_WIDTH
        rim = sign * float(np.sqrt(POT_RADIUS**2 - w**2))
        bars = {"bar": (-w, y, z, w, y, z), "stub_a": (-w, rim, z, -w, y, z), "stub_b": (w, rim, z, w, y, z)}
        for name, ends in bars.items():
            body.add_geom(name=f"{name}_{side}", type=GEOM.mjGEOM_CAPSULE, fromto=ends, mass=POT_MASS / 60,
                          size=(POT_LOOP_RADIUS, 0.0, 0.0), rgba=LOOP_COLOUR, **solid)
        body.add_site(name=f"handle_{side}", pos=(0.0, sign * POT_HANDLE[0], POT_HANDLE[1]), size=(0.008, 0.0, 0.0),
                      group=4)
    _add_goal(spec, pot.goal).add_geom(name="goal", type=GEOM.mjGEOM_CYLINDER,
                                       size=(POT_RADIUS, POT_HALF_HEIGHT, 0.0), **_ghost())


def _add_goal(spec: mujoco.MjSpec, position: Vector) -> mujoco.MjsBody:
    return spec.worldbody.add_body(name="goal", mocap=True, pos=position)


def _ghost() -> dict[str, object]:
    """Return the settings of a geom that is drawn and never collides."""
    return {"contype": 0, "conaffinity": 0, "mass": 0.0, "rgba": GOAL_COLOUR}
