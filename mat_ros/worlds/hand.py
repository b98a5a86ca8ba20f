# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Build a five-fingered hand from capsules and boxes: the frames, names, ranges and masses of the Shadow hand.

Lengths in m, masses in kg, angles in rad. A link's frame has z along the bone, x across the palm towards the thumb and
y out of the back of the hand. The tables below are the whole hand; nothing is read from a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np

Vector = tuple[float, float, float]

FINGERS = ("ff", "mf", "rf", "lf", "th")  # index, middle, ring, little finger and thumb
X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)

STIFFNESS, WRIST_STIFFNESS = 1.0, 5.0  # N*m/rad, of the position servos; a servo has no damping of its own
# The dry friction of 0.001 N*m per joint is left out: it is lost beside the damping, and its constraints would
# take a third of the speed.
DAMPING, WRIST_DAMPING = 0.1, 0.5  # N*m*s/rad, of the joints
ARMATURE, WRIST_ARMATURE = 0.001, 0.005  # kg*m^2
COUPLING_SLACK = 0.001  # m of tendon by which the last finger joint may lead or lag the one before it
SMALL_INERTIA = (1e-5, 1e-5, 1e-5)  # kg*m^2, of a finger's link about its centre of mass


@dataclass(frozen=True)
class Hinge:
    """A joint of the hand; a joint without an effort limit has no motor."""

    name: str
    axis: Vector
    lower: float
    upper: float
    effort: float = 0.0  # N*m, of the motor
    stiffness: float = STIFFNESS  # N*m/rad, of the motor's servo
    damping: float = DAMPING
    armature: float = ARMATURE


@dataclass(frozen=True)
class Shape:
    """What collides: a capsule along z (`size` = radius, half length) or a box (`size` = half sides)."""

    name: str
    position: Vector
    size: tuple[float, ...]
    dimensions: int = 3  # of the contact; 4 adds friction against twisting
    quaternion: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Link:
    """A rigid part of the hand, placed in the frame of its parent."""

    name: str
    parent: str
    position: Vector
    mass: float
    centre: Vector  # of mass
    inertia: Vector = SMALL_INERTIA
    hinge: Hinge | None = None
    shapes: tuple[Shape, ...] = ()
    quaternion: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    inertia_quaternion: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)


def _phalanx(name: str, position: Vector, length: float, radius: float, mass: float, centre: float, hinge: Hinge,
             parent: str, tip: bool = False) -> Link:
    shape = Shape(name, (0.0, 0.0, length), (radius, length), dimensions=4 if tip else 3)
    return Link(name, parent, position, mass, (0.0, 0.0, centre), hinge=hinge, shapes=(shape,))


def _finger(finger: str, parent: str, knuckle: Vector) -> tuple[Link, ...]:
    """Lay out one of the four long fingers, which differ only in where their knuckle sits."""
    name = finger.upper()
    hinges = (Hinge(f"{name}J3", Y, -0.349, 0.349, effort=0.9), Hinge(f"{name}J2", X, 0.0, 1.571, effort=0.9),
              Hinge(f"{name}J1", X, 0.0, 1.571, effort=0.7245), Hinge(f"{name}J0", X, 0.0, 1.571))
    middle = 0.011 if finger == "ff" else 0.012
    return (
        Link(f"{finger}knuckle", parent, knuckle, 0.008, (0.0, 0.0, 0.0), hinge=hinges[0]),
        _phalanx(f"{finger}proximal", (0.0, 0.0, 0.0), 0.0225, 0.01, 0.014, 0.023, hinges[1], f"{finger}knuckle"),
        _phalanx(f"{finger}middle", (0.0, 0.0, 0.045), 0.0125, 0.00805, 0.012, middle, hinges[2], f"{finger}proximal"),
        _phalanx(f"{finger}distal", (0.0, 0.0, 0.025), 0.012, 0.00705, 0.01, 0.015, hinges[3], f"{finger}middle", True),
    )


LINKS: tuple[Link, ...] = (
    Link("forearm", "hand mount", (0.0, 0.01, 0.0), 4.0, (0.001, -0.002, 0.29), (0.01, 0.01, 0.0075),
         shapes=(Shape("forearm", (0.0, 0.01, 0.151), (0.066, 0.045)),),
         inertia_quaternion=(0.982, -0.016, 0.0, -0.188)),
    Link("wrist", "forearm", (0.0, 0.0, 0.256), 0.3, (0.003, 0.0, 0.016), (0.001, 0.001, 0.001),
         Hinge("WRJ1", Y, -0.489, 0.14, 4.785, WRIST_STIFFNESS, WRIST_DAMPING, WRIST_ARMATURE),
         (Shape("wrist", (0.0, 0.0, 0.0), (0.015, 0.01), quaternion=(0.707, 0.707, 0.0, 0.0)),)),
    Link("palm", "wrist", (0.0, 0.0, 0.034), 0.3, (0.006, 0.0, 0.036), (0.001, 0.001, 0.001),
         Hinge("WRJ0", X, -0.698, 0.489, 2.175, WRIST_STIFFNESS, WRIST_DAMPING, WRIST_ARMATURE),
         (Shape("palm0", (0.011, 0.0, 0.038), (0.032, 0.0111, 0.049)),
          Shape("palm1", (-0.032, 0.0, 0.014), (0.011, 0.0111, 0.025)))),
    *_finger("ff", "palm", (0.033, 0.0, 0.095)),
    *_finger("mf", "palm", (0.011, 0.0, 0.099)),
    *_finger("rf", "palm", (-0.011, 0.0, 0.095)),
    Link("lfmetacarpal", "palm", (-0.017, 0.0, 0.044), 0.075, (-0.014, 0.001, 0.014),
         hinge=Hinge("LFJ4", (0.571, 0.0, 0.821), 0.0, 0.785, effort=0.9),
         shapes=(Shape("lfmetacarpal", (-0.0165, 0.0, 0.01), (0.0095, 0.0111, 0.025)),)),
    *_finger("lf", "lfmetacarpal", (-0.017, 0.0, 0.044)),
    Link("thbase", "palm", (0.034, -0.009, 0.029), 0.01, (0.0, 0.0, 0.0),
         hinge=Hinge("THJ4", (0.0, 0.0, -1.0), -1.047, 1.047, effort=2.3722),
         quaternion=(float(np.cos(0.785 / 2)), 0.0, float(np.sin(0.785 / 2)), 0.0)),
    _phalanx("thproximal", (0.0, 0.0, 0.0), 0.019, 0.013, 0.016, 0.017,
             Hinge("THJ3", X, 0.0, 1.222, effort=1.45), "thbase"),
    Link("thhub", "thproximal", (0.0, 0.0, 0.038), 0.002, (0.0, 0.0, 0.0),
         hinge=Hinge("THJ2", X, -0.209, 0.209, effort=0.99)),
    _phalanx("thmiddle", (0.0, 0.0, 0.0), 0.016, 0.011, 0.016, 0.016,
             Hinge("THJ1", Y, -0.524, 0.524, effort=0.99), "thhub"),
    _phalanx("thdistal", (0.0, 0.0, 0.032), 0.013, 0.00918, 0.016, 0.016,
             Hinge("THJ0", Y, -1.571, 0.0, effort=0.81), "thmiddle", True),
)
JOINTS: tuple[Hinge, ...] = tuple(link.hinge for link in LINKS if link.hinge is not None)
MOTORS: tuple[Hinge, ...] = tuple(hinge for hinge in JOINTS if hinge.effort > 0.0)

# The last joint of a long finger follows the one before it, through a tendon over two pulleys.
COUPLING = {"J0": 0.00705, "J1": -0.00805}  # m of tendon per rad

# Links of one hand meet only in these pairs; all other neighbours are kept apart by their joints' ranges.
TOUCHING: tuple[tuple[str, str], ...] = (
    *((link, "thdistal") for link in ("ffdistal", "ffmiddle", "ffproximal", "mfproximal", "mfdistal", "rfdistal",
                                      "lfdistal", "palm0")),
    ("mfdistal", "ffdistal"), ("rfdistal", "mfdistal"), ("lfdistal", "rfdistal"), ("lfdistal", "mfdistal"),
    ("mfproximal", "ffproximal"), ("rfproximal", "mfproximal"), ("lfproximal", "rfproximal"),
    ("lfdistal", "rfmiddle"), ("lfmiddle", "rfdistal"), ("lfmiddle", "rfmiddle"),
)

# Seen but never felt: what makes a stack of capsules look like a hand.
TRIM: tuple[tuple[str, str, mujoco.mjtGeom, Vector, tuple[float, ...]], ...] = (
    ("forearm", "arm", mujoco.mjtGeom.mjGEOM_CYLINDER, (0.0, 0.01, 0.13), (0.048, 0.085)),
    ("forearm", "tip", mujoco.mjtGeom.mjGEOM_CYLINDER, (0.0, 0.01, 0.205), (0.0495, 0.006)),
    ("forearm", "arm", mujoco.mjtGeom.mjGEOM_ELLIPSOID, (0.0, 0.01, 0.215), (0.048, 0.048, 0.035)),
    ("wrist", "arm", mujoco.mjtGeom.mjGEOM_SPHERE, (0.0, 0.0, 0.0), (0.022,)),
    *((f"{finger}knuckle", "arm", mujoco.mjtGeom.mjGEOM_SPHERE, (0.0, 0.0, 0.0), (0.0115,)) for finger in FINGERS[:4]),
    *((f"{finger}middle", "arm", mujoco.mjtGeom.mjGEOM_SPHERE, (0.0, 0.0, 0.0), (0.0103,)) for finger in FINGERS[:4]),
    ("thbase", "arm", mujoco.mjtGeom.mjGEOM_SPHERE, (0.0, 0.0, 0.0), (0.0145,)),
    ("thmiddle", "arm", mujoco.mjtGeom.mjGEOM_SPHERE, (0.0, 0.0, 0.0), (0.0125,)),
)

HIDDEN_GROUP, TRIM_GROUP = 3, 1  # of geoms: those of the first are felt but not drawn

MOUNT_MASS, MOUNT_INERTIA = 0.1, (0.001, 0.001, 0.001)
TIP: Mapping[str, float] = {"ff": 0.026, "mf": 0.026, "rf": 0.026, "lf": 0.026, "th": 0.0275}  # m along the last bone
PALM_CENTRE: Vector = (0.0, -0.02, 0.08)  # in the palm's frame: what a task calls the position of the hand
GRASP_POINT: Vector = (0.0, 0.0, 0.02)  # in a last link's frame: what a task calls the position of a fingertip
# How the hand sits on its mount: palm up, fingers along -y (intrinsic x-y-z Euler angles).
MOUNT_EULER = (1.5708, 0.0, 3.14159)


@dataclass(frozen=True)
class Base:
    """A hand that flies: six motors push its mount, and a viscous drag makes them set a speed rather than a force."""

    force: float  # N, greatest
    torque: float  # N*m, greatest
    drag: float = 3000.0  # N*s/m
    spin_drag: float = 30.0  # N*m*s/rad


BASE_AXES = ("force_x", "force_y", "force_z", "torque_x", "torque_y", "torque_z")  # world frame, at the mount


@dataclass(frozen=True)
class Look:
    """Colours of a hand, as red, green, blue, opacity."""

    bone: tuple[float, float, float, float]
    tip: tuple[float, float, float, float]
    arm: tuple[float, float, float, float]


def mount_orientation(euler_zyx: Vector) -> tuple[float, float, float, float]:
    """Turn a hand from its rest pose by Rz(c) Ry(b) Rx(a), given (a, b, c) in rad; give the quaternion w, x, y, z."""
    rest, turn, quaternion = np.zeros(4), np.zeros(4), np.zeros(4)
    mujoco.mju_euler2Quat(rest, np.array(MOUNT_EULER), "xyz")
    mujoco.mju_euler2Quat(turn, np.array(euler_zyx[::-1]), "zyx")
    mujoco.mju_mulQuat(quaternion, turn, rest)
    w, x, y, z = quaternion.tolist()
    return w, x, y, z


def add_hand(spec: mujoco.MjSpec, prefix: str, position: Vector, quaternion: tuple[float, float, float, float],
             base: Base | None, look: Look, contype: int, conaffinity: int) -> None:
    """Add a hand to a scene, every name under `prefix:`; without a base its mount is fixed to the world."""
    mount = spec.worldbody.add_body(name=f"{prefix}:hand mount", pos=position, quat=quaternion, mass=MOUNT_MASS,
                                    ipos=(0.0, 0.0, 0.0), inertia=MOUNT_INERTIA, explicitinertial=True, gravcomp=1.0)
    if base is not None:
        mount.add_freejoint(name=f"{prefix}:base")
    bodies = {"hand mount": mount}
    for link in LINKS:
        body = bodies[link.parent].add_body(
            name=f"{prefix}:{link.name}", pos=link.position, quat=link.quaternion, mass=link.mass, ipos=link.centre,
            iquat=link.inertia_quaternion, inertia=link.inertia, explicitinertial=True,
            gravcomp=1.0)
        bodies[link.name] = body
        if link.hinge is not None:
            _add_hinge(body, prefix, link.hinge)
        for shape in link.shapes:
            capsule = len(shape.size) == 2
            body.add_geom(
                name=f"{prefix}:C_{shape.name}", pos=shape.position, quat=shape.quaternion,
                type=mujoco.mjtGeom.mjGEOM_CAPSULE if capsule else mujoco.mjtGeom.mjGEOM_BOX,
                size=(*shape.size, 0.0) if capsule else shape.size, condim=shape.dimensions, mass=0.0,
                contype=contype, conaffinity=conaffinity, friction=(1.0, 0.005, 0.001), rgba=_colour(link, look),
                group=HIDDEN_GROUP if link.name in ("forearm", "wrist") else 0)
    for link_name, part, kind, place, size in TRIM:
        bodies[link_name].add_geom(type=kind, pos=place, size=(*size, *(0.0,) * (3 - len(size))), contype=0,
                                   conaffinity=0, mass=0.0, group=TRIM_GROUP, rgba=getattr(look, part))
    for finger, reach in TIP.items():
        last = bodies[f"{finger}distal"]
        last.add_site(name=f"{prefix}:S_{finger}tip", pos=(0.0, 0.0, reach), size=(0.004, 0.0, 0.0), group=4)
        last.add_site(name=f"{prefix}:{finger}grasp", pos=GRASP_POINT, size=(0.004, 0.0, 0.0), group=4)
    bodies["palm"].add_site(name=f"{prefix}:palm_centre", pos=PALM_CENTRE, size=(0.004, 0.0, 0.0), group=4)
    _add_couplings(spec, prefix)
    _add_motors(spec, prefix, base)
    for first, second in TOUCHING:
        spec.add_pair(name=f"{prefix}:{first}-{second}", geomname1=f"{prefix}:C_{first}",
                      geomname2=f"{prefix}:C_{second}", condim=1)


def _colour(link: Link, look: Look) -> tuple[float, float, float, float]:
    if link.name in ("forearm", "wrist"):
        return look.arm
    return look.tip if link.name.endswith("distal") else look.bone


def _add_hinge(body: mujoco.MjsBody, prefix: str, hinge: Hinge) -> None:
    body.add_joint(name=f"{prefix}:{hinge.name}", type=mujoco.mjtJoint.mjJNT_HINGE, axis=hinge.axis,
                   range=(hinge.lower, hinge.upper), limited=mujoco.mjtLimited.mjLIMITED_TRUE,
                   damping=hinge.damping, armature=hinge.armature)


def _add_couplings(spec: mujoco.MjSpec, prefix: str) -> None:
    for finger in FINGERS[:4]:
        tendon = spec.add_tendon(name=f"{prefix}:T_{finger.upper()}J1c", range=(-COUPLING_SLACK, COUPLING_SLACK),
                                 limited=mujoco.mjtLimited.mjLIMITED_TRUE)
        for joint, lever in COUPLING.items():
            tendon.wrap_joint(f"{prefix}:{finger.upper()}{joint}", lever)


def _add_motors(spec: mujoco.MjSpec, prefix: str, base: Base | None) -> None:
    """Add the base's six motors, then a position servo per driven joint: the order in which Bi-DexHands counts them."""
    if base is not None:
        for k, axis in enumerate(BASE_AXES):
            limit = base.force if k < 3 else base.torque
            spec.add_actuator(name=f"{prefix}:base_{axis}", target=f"{prefix}:base",
                              trntype=mujoco.mjtTrn.mjTRN_JOINTINPARENT, gear=np.eye(6)[k],
                              ctrlrange=(-limit, limit), ctrllimited=mujoco.mjtLimited.mjLIMITED_TRUE)
    for hinge in MOTORS:
        servo = spec.add_actuator(name=f"{prefix}:A_{hinge.name}", target=f"{prefix}:{hinge.name}",
                                  trntype=mujoco.mjtTrn.mjTRN_JOINT, ctrlrange=(hinge.lower, hinge.upper),
                                  ctrllimited=mujoco.mjtLimited.mjLIMITED_TRUE,
                                  forcerange=(-hinge.effort, hinge.effort),
                                  forcelimited=mujoco.mjtLimited.mjLIMITED_TRUE)
        servo.set_to_position(kp=hinge.stiffness)
