# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Find which actuators of a model a command of a joint can express, and what each of them does with its control."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco

from mat_ros.core.errors import Refused
from mat_ros.newrobot.model_file import ModelFile
from mat_ros.newrobot.skeleton import HINGE, SLIDE

PREFERENCE = ("position", "velocity", "effort")  # of several actuators on one joint, the one that is commanded


@dataclass(frozen=True)
class Law:
    """What an actuator does: effort = gain * control + offset - stiffness * place - damping * speed."""

    quantity: str
    gain: float
    offset: float
    stiffness: float
    damping: float


def commanded(file: ModelFile) -> dict[str, tuple[str, ...]]:
    """Return the joints behind each command, by the name of the command; of the file's motors, else of all joints."""
    model = file.model
    if chosen := chosen_actuators(model):
        return {name: joints for name, (_, joints) in chosen.items()}
    followers = {model.joint(int(model.eq_obj1id[k])).name for k in range(model.neq)
                 if model.eq_type[k] == int(mujoco.mjtEq.mjEQ_JOINT)}
    free = [model.joint(k).name for k in range(model.njnt) if int(model.jnt_type[k]) in (HINGE, SLIDE)]
    if not (names := [name for name in free if name not in followers]):
        raise Refused(f"model {file.path}", "a hinge or a slide that a motor can move",
                      f"{model.njnt} joints, none of them such", "choose the file of a robot with joints")
    return {name: (name,) for name in names}


def chosen_actuators(model: mujoco.MjModel) -> dict[str, tuple[int, tuple[str, ...]]]:
    """Return the actuator and the joints of each command: one actuator for each joint or tendon."""
    found: dict[str, tuple[int, tuple[str, ...]]] = {}
    quantity: dict[str, str] = {}
    for k in range(model.nu):
        target, law = target_of(model, k), law_of(model, k)
        if target is None or law is None:
            continue
        name, joints = target
        if name not in found or PREFERENCE.index(law.quantity) < PREFERENCE.index(quantity[name]):
            found[name], quantity[name] = (k, joints), law.quantity
    return found


def target_of(model: mujoco.MjModel, k: int) -> tuple[str, tuple[str, ...]] | None:
    """Return the name and the joints that an actuator moves; None where it moves no hinge, slide or joint tendon."""
    kind, at = int(model.actuator_trntype[k]), int(model.actuator_trnid[k, 0])
    if model.actuator_gear[k, 0] == 0.0:
        return None
    if kind in (int(mujoco.mjtTrn.mjTRN_JOINT), int(mujoco.mjtTrn.mjTRN_JOINTINPARENT)):
        if int(model.jnt_type[at]) not in (HINGE, SLIDE):
            return None
        return model.joint(at).name, (model.joint(at).name,)
    if kind == int(mujoco.mjtTrn.mjTRN_TENDON):
        wraps = range(model.tendon_adr[at], model.tendon_adr[at] + model.tendon_num[at])
        if any(model.wrap_type[w] != int(mujoco.mjtWrap.mjWRAP_JOINT) for w in wraps):
            return None
        joints = tuple(model.joint(int(model.wrap_objid[w])).name for w in wraps)
        name = model.tendon(at).name or "_".join(joints)
        taken = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, name) >= 0
        return (f"{name}_tendon" if taken else name), joints
    return None


def law_of(model: mujoco.MjModel, k: int) -> Law | None:
    """Return what an actuator does; None where this is more than a position, a speed or an effort."""
    dyn, gain, bias = (int(kinds[k]) for kinds in (model.actuator_dyntype, model.actuator_gaintype,
                                                   model.actuator_biastype))
    through = (int(mujoco.mjtDyn.mjDYN_NONE), int(mujoco.mjtDyn.mjDYN_FILTER), int(mujoco.mjtDyn.mjDYN_FILTEREXACT))
    g, b = float(model.actuator_gainprm[k, 0]), model.actuator_biasprm[k, :3].astype(float)
    if gain != int(mujoco.mjtGain.mjGAIN_FIXED) or g == 0.0:
        return None
    if bias == int(mujoco.mjtBias.mjBIAS_NONE) and dyn in through:
        return Law("effort", g, 0.0, 0.0, 0.0)
    if bias != int(mujoco.mjtBias.mjBIAS_AFFINE):
        return None
    offset, stiffness, damping = float(b[0]), -float(b[1]), -float(b[2])
    if dyn == int(mujoco.mjtDyn.mjDYN_INTEGRATOR) and stiffness > 0.0:
        return Law("velocity", g, offset, stiffness, damping)
    if dyn not in through:
        return None
    if stiffness > 0.0:
        return Law("position", g, offset, stiffness, damping)
    if stiffness == 0.0 and damping > 0.0:
        return Law("velocity", g, offset, 0.0, damping)
    return Law("effort", g, 0.0, 0.0, 0.0) if not b.any() else None
