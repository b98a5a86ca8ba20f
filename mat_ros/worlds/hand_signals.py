# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define the measurements of two hands and of the object that they handle."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from mat_ros.core.robot.observe import Term
from mat_ros.worlds.hand import FINGERS, JOINTS
from mat_ros.worlds.signals import (
    COMMAND_FIELD,
    XYZ,
    XYZW,
    Derived,
    Probe,
    Source,
    joint_efforts,
    joint_positions,
    joint_velocities,
    labels,
    orientations,
    positions,
    sensors,
)

Float = NDArray[np.float64]
BODY, SITE = mujoco.mjtObj.mjOBJ_BODY, mujoco.mjtObj.mjOBJ_SITE
CONTACT_FIELDS = sum(1 << int(field) for field in (mujoco.mjtConDataField.mjCONDATA_FORCE,
                                                   mujoco.mjtConDataField.mjCONDATA_TORQUE,
                                                   mujoco.mjtConDataField.mjCONDATA_POS))
NET_FORCE = 3  # mode of a contact sensor: one wrench at the centroid of all contacts, in the world frame


def fingertips(prefix: str) -> tuple[str, ...]:
    """Return the names of the last links of a hand."""
    return tuple(f"{prefix}:{finger}distal" for finger in FINGERS)


def watch_fingertips(spec: mujoco.MjSpec, prefix: str) -> None:
    """Add the sensors of a hand: the motion of its last links and the contact wrenches on them."""
    for tip in fingertips(prefix):
        _watch_motion(spec, tip)
        spec.add_sensor(name=f"contact of {tip}", type=mujoco.mjtSensor.mjSENS_CONTACT, reftype=BODY, refname=tip,
                        intprm=(CONTACT_FIELDS, NET_FORCE, 1))


def watch_object(spec: mujoco.MjSpec) -> None:
    """Add the sensors of the motion of the body `object`."""
    _watch_motion(spec, "object")


def _watch_motion(spec: mujoco.MjSpec, body: str) -> None:
    for what, kind in (("velocity", mujoco.mjtSensor.mjSENS_FRAMELINVEL),
                       ("spin", mujoco.mjtSensor.mjSENS_FRAMEANGVEL)):
        spec.add_sensor(name=f"{what} of {body}", type=kind, objtype=mujoco.mjtObj.mjOBJ_XBODY, objname=body)


def hand_sources(model: mujoco.MjModel, hands: Sequence[str], commanded: Sequence[str]) -> tuple[Source, ...]:
    """Return the measurements of the hands."""
    joints = [f"{prefix}:{joint.name}" for prefix in hands for joint in JOINTS]
    tips = [tip for prefix in hands for tip in fingertips(prefix)]
    mounts = [f"{prefix}:hand mount" for prefix in hands]
    touch = {tip: f"contact of {tip}" for tip in tips}
    force = sensors(model, "", "N", touch)
    torque = sensors(model, "", "N*m", touch, first=3)
    centroid = sensors(model, "", "m", touch, first=6)
    return (
        joint_positions(model, joints),
        joint_velocities(model, joints),
        joint_efforts(model, joints),
        positions(model, "fingertip_position", BODY, tips),
        orientations(model, "fingertip_orientation", tips),
        sensors(model, "fingertip_velocity", "m/s", {tip: f"velocity of {tip}" for tip in tips}),
        sensors(model, "fingertip_angular_velocity", "rad/s", {tip: f"spin of {tip}" for tip in tips}),
        Derived(Term("fingertip_force", "N", labels(tips, XYZ)), ("fingertip_orientation", force), _into_frame),
        Derived(Term("fingertip_torque", "N*m", labels(tips, XYZ)),
                ("fingertip_position", "fingertip_orientation", force, torque, centroid), _torque_at_frame),
        positions(model, "grasp_position", SITE, [tip.replace("distal", "grasp") for tip in tips]),
        positions(model, "hand_position", SITE, [f"{prefix}:palm_centre" for prefix in hands]),
        orientations(model, "hand_orientation", mounts),
        Derived(Term("hand_euler", "rad", labels(mounts, ("roll", "pitch", "yaw"))), ("hand_orientation",), _euler),
        Probe(Term("last_command", "1", tuple(commanded)), COMMAND_FIELD, tuple(range(len(commanded)))),
    )


def object_sources(model: mujoco.MjModel) -> tuple[Source, ...]:
    """Return the measurements of the object, and of the handles, leaves and goal where the scene has them."""
    names = {kind: {model.names[start:].split(b"\0", 1)[0].decode() for start in starts} for kind, starts in
             (("site", model.name_siteadr), ("joint", model.name_jntadr), ("body", model.name_bodyadr))}
    found: list[Source] = [
        positions(model, "object_position", BODY, ["object"]),
        orientations(model, "object_orientation", ["object"]),
        sensors(model, "object_velocity", "m/s", {"object": "velocity of object"}),
        sensors(model, "object_angular_velocity", "rad/s", {"object": "spin of object"}),
    ]
    if "handle_left" in names["site"]:
        found.append(positions(model, "handle_position", SITE, ["handle_right", "handle_left"]))
    if "door_left" in names["joint"]:
        leaves = ["door_right", "door_left"]
        found += [joint_positions(model, leaves, "door_angle"), joint_velocities(model, leaves, "door_velocity")]
    if "goal" in names["body"]:
        found += [
            positions(model, "goal_position", BODY, ["goal"]),
            orientations(model, "goal_orientation", ["goal"]),
            Derived(Term("object_from_goal", "1", labels(["rotation"], XYZW)),
                    ("object_orientation", "goal_orientation"), _relative_rotation),
        ]
    return tuple(found)


def _into_frame(orientation: Float, vector: Float) -> Float:
    """Return world vectors (n, 3 k) expressed in the frames of quaternions (n, 4 k)."""
    n = len(orientation)
    x, y, z, w = np.moveaxis(orientation.reshape(n, -1, 4), -1, 0)
    a, b, c = np.moveaxis(vector.reshape(n, -1, 3), -1, 0)
    s, t, u = 2 * (z * b - y * c), 2 * (x * c - z * a), 2 * (y * a - x * b)
    turned = np.stack([a + w * s + z * t - y * u, b + w * t + x * u - z * s, c + w * u + y * s - x * t], axis=-1)
    return turned.reshape(n, -1)


def _torque_at_frame(position: Float, orientation: Float, force: Float, torque: Float, centroid: Float) -> Float:
    """Return the torque of a wrench at the contacts' centroid, moved to the origin and into the frame of each link."""
    n = len(position)
    lever, push = (centroid - position).reshape(n, -1, 3), force.reshape(n, -1, 3)
    x, y, z = np.moveaxis(lever, -1, 0)
    a, b, c = np.moveaxis(push, -1, 0)
    moment = np.stack([y * c - z * b, z * a - x * c, x * b - y * a], axis=-1).reshape(n, -1)
    return _into_frame(orientation, torque + moment)


def _euler(orientation: Float) -> Float:
    """Return roll, pitch, yaw of quaternions (n, 4 k), each in [0, 2 pi) as in the published observation."""
    n = len(orientation)
    x, y, z, w = np.moveaxis(orientation.reshape(n, -1, 4), -1, 0)
    roll = np.arctan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    pitch = np.arcsin(np.clip(2 * (w * y - z * x), -1, 1))
    yaw = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    angles: Float = np.mod(np.stack([roll, pitch, yaw], axis=-1), 2 * np.pi)
    return angles.reshape(n, -1)


def _relative_rotation(orientation: Float, goal: Float) -> Float:
    """Return the products of quaternions (n, 4) and the conjugates of the goal's quaternions (n, 4)."""
    x, y, z, w = orientation.T
    a, b, c, d = -goal[:, 0], -goal[:, 1], -goal[:, 2], goal[:, 3]
    return np.stack([w * a + x * d + y * c - z * b, w * b - x * c + y * d + z * a, w * c + x * b - y * a + z * d,
                     w * d - x * a - y * b - z * c], axis=-1)
