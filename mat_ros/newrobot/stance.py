# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Choose where the joints of a new robot stand at the start: as a keyframe has them, else away from their limits.

A URDF states no such pose, and its zero pose may lie outside the limits. A robot that stands on its limbs bends them so
that their ends stay below the places where they are in the zero pose.
"""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from mat_ros.newrobot.model_file import ModelFile
from mat_ros.newrobot.motors import Motor
from mat_ros.newrobot.skeleton import Skeleton, chain_down, lowest

Float = NDArray[np.float64]
NARROW = 0.1  # share of its range within which a joint counts as being at a limit
ROUNDS = 100  # of the search for a stance
RELUCTANT = 0.1  # share by which a joint that was moved away from its limit takes part in the search
SMALL_RAD = 1e-4  # turn by which the search tries a joint
FOOT_JOINTS = 5  # joints of a limb that can keep its foot flat too
FLAT_M = 0.3  # m, what the tilt of a foot counts beside its place
DAMPING_M = 0.02  # of the search, against large steps near a stretched limb


def start_pose(model: mujoco.MjModel) -> tuple[Float, str]:
    """Return the positions (nq,) of the file's own start, and the keyframe that has them; empty: the zero pose."""
    keys = {model.key(k).name: k for k in range(model.nkey)}
    chosen = next((keys[name] for name in ("home", "stand", "standing") if name in keys), 0 if keys else None)
    if chosen is None:
        return np.array(model.qpos0), ""
    return np.array(model.key_qpos[chosen]), model.key(chosen).name or f"keyframe {chosen}"


def rest_pose(file: ModelFile, skeleton: Skeleton, motors: Sequence[Motor]) -> dict[str, float]:
    """Return where each joint with a motor stands at the start; the command of a tendon has no such place."""
    model = file.model
    qpos, key = start_pose(model)
    single = [motor for motor in motors if motor.joints == (motor.name,)]
    pose = {motor.name: float(qpos[model.joint(motor.name).qposadr[0]]) for motor in single}
    if key:
        file.guessed.append(f"start: the keyframe {key!r} of the file")
    servos = [motor for motor in single if motor.quantity == "position"]
    moved = []
    for motor in servos:
        margin = NARROW * (motor.upper - motor.lower)
        at_limit = not motor.lower + margin <= pose[motor.name] <= motor.upper - margin
        if at_limit and not key and (skeleton.kind == "arm" or skeleton.base == "hanging"):
            pose[motor.name] = (motor.lower + motor.upper) / 2
            moved.append(motor.name)
        pose[motor.name] = min(max(pose[motor.name], motor.lower), motor.upper)
    if moved and skeleton.base == "hanging":
        pose = _bent(model, skeleton, pose, {motor.name: (motor.lower, motor.upper) for motor in servos}, moved)
        file.guessed.append("start: every limb is bent so that it ends below its place in the zero pose, since 0 is at "
                            f"or outside the limits of {', '.join(moved)}")
    elif moved:
        file.guessed.append(f"start: the middle of the range of {', '.join(moved)}; 0 is at or outside the limits")
    return pose


def _bent(model: mujoco.MjModel, skeleton: Skeleton, pose: dict[str, float],
          limits: dict[str, tuple[float, float]], moved: Sequence[str]) -> dict[str, float]:
    """Return a pose in which the end of each limb is where it is in the zero pose, seen from above.

    Joints that were `moved` away from their limits turn least.
    """
    zero = mujoco.MjData(model)
    mujoco.mj_kinematics(model, zero)
    found = dict(pose)
    for limb in skeleton.limbs:
        joints = [joint for joint in limb.joints if joint in limits]
        if not joints:
            continue
        body, point = lowest(model, zero, chain_down(model, int(model.joint(limb.joints[-1]).bodyid[0])))
        end = body, zero.xmat[body].reshape(3, 3).T @ (point - zero.xpos[body])
        flat = FLAT_M if len(joints) >= FOOT_JOINTS else 0.0
        trial = mujoco.MjData(model)
        for joint, value in pose.items():
            trial.qpos[model.joint(joint).qposadr[0]] = value
        places = [int(model.joint(joint).qposadr[0]) for joint in joints]
        weights = np.where([joint in moved for joint in joints], RELUCTANT, 1.0)
        lower, upper = np.array([limits[joint] for joint in joints]).T
        for _ in range(ROUNDS):
            error = _away(model, trial, zero, end, flat)
            slopes = np.zeros((len(error), len(joints)))  # m/rad
            for k, place in enumerate(places):
                trial.qpos[place] += SMALL_RAD
                slopes[:, k] = (_away(model, trial, zero, end, flat) - error) / SMALL_RAD
                trial.qpos[place] -= SMALL_RAD
            damped = slopes * weights @ slopes.T + DAMPING_M ** 2 * np.eye(len(error))
            step = weights * (slopes.T @ np.linalg.solve(damped, error))
            trial.qpos[places] = np.clip(trial.qpos[places] - step, lower, upper)
        found |= dict(zip(joints, map(float, trial.qpos[places]), strict=True))
    return found


def _away(model: mujoco.MjModel, trial: mujoco.MjData, zero: mujoco.MjData, end: tuple[int, Float],
          flat: float) -> Float:
    """Return in m how far the end of a limb is from its place in the zero pose, and how much a foot is tilted."""
    mujoco.mj_kinematics(model, trial)
    body, point = end
    now, then = trial.xmat[body].reshape(3, 3), zero.xmat[body].reshape(3, 3)
    moved = trial.xpos[body] + now @ point - zero.xpos[body] - then @ point
    return np.concatenate([moved[:2], flat * (now - then)[2, :2]])
