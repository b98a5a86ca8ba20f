# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Find the motors of a model, and let each take commands in the unit of its joint.

MuJoCo's actuators take controls in units of their own: shares of a gear ratio, bytes, metres of a tendon. Here every
motor gets the name of its joint, a gear of 1, and a control that is the position, the speed or the effort of the
joint. Where a file has no motor that can be commanded so, every free joint gets one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import mujoco
import numpy as np

from mat_ros.newrobot.actuators import chosen_actuators, commanded, law_of
from mat_ros.newrobot.model_file import NO_LIMIT_RAD, ModelFile, unused
from mat_ros.newrobot.skeleton import HINGE, SLIDE, reach_of
from mat_ros.newrobot.urdf import UrdfLimit

TURN = {"rad": math.pi, "m": 1.0}  # range to either side that is guessed for a joint without limits
SPEED = {"rad": 2.0 * math.pi, "m": 1.0}  # speed that is guessed for a wheel
ACROSS_S = 0.5  # time in which a command may cross its whole range, where the file states no speed
FULL_AT = 0.1  # share of its range by which a made servo is away from its command when it gives all its effort
SAFETY = 2.0  # guessed effort, as a multiple of what holds the weight
STEADY = 0.2  # greatest angle, in rad per physics step, of a made servo's own swing
ABSURD = 20.0  # effort of a leg, as a multiple of what its servo needs, that is probably a placeholder
LEAST_EFFORT = 0.1  # N*m or N
NO_LIMIT = UrdfLimit(math.nan, math.nan)
PER_S = {"rad": "rad/s", "m": "m/s"}
EFFORT = {"rad": "N*m", "m": "N"}


@dataclass
class Motor:
    """A motor, with the limits of its commands in the unit of its joint."""

    name: str
    joints: tuple[str, ...]  # joints that it moves: one, or those of a tendon
    quantity: str  # "position", "velocity" or "effort"
    unit: str  # of the command
    lower: float
    upper: float
    rate: float  # greatest change of the command, in unit/s
    effort: float  # N*m or N; inf where the file states none
    stiffness: float = 0.0  # of a position servo, N*m/rad or N/m
    guessed: dict[str, str] = field(default_factory=dict)  # field -> why it is a guess


def settle_motors(file: ModelFile, standing: bool) -> list[Motor]:
    """Let every motor of a model take commands in the unit of its joint; make motors where there are none.

    `standing` states that the motors carry the robot's own weight.
    """
    model = file.model
    chosen = chosen_actuators(model)
    _rename(file, {k: name for name, (k, _) in chosen.items()})
    if chosen:
        return [_settle(file, name, k, joints, standing) for name, (k, joints) in chosen.items()]
    left = f" that moves a joint by a command ({model.nu} others are left alone)" if model.nu else ""
    file.guessed.append(f"motors: the file has none{left}, so every joint gets one")
    motors = [_make(file, name, standing) for name in commanded(file)]
    file.guessed.append("armature: every joint gets at least what its servo needs to be steady at the physics step")
    return motors


def _rename(file: ModelFile, name_of: dict[int, str]) -> None:
    """Name the commanded actuators after their joints, and the others so that no name stands twice."""
    joints = {joint.name for joint in file.spec.joints}
    for k, actuator in enumerate(file.spec.actuators):
        if k not in name_of:
            file.guessed.append(f"actuator {actuator.name or k}: it is left alone, and its control stays 0")
            name_of[k] = unused(f"{actuator.name or 'actuator'}_alone", {*name_of.values(), *joints})
    new_name = {actuator.name: name_of[k] for k, actuator in enumerate(file.spec.actuators)}
    for k, actuator in enumerate(file.spec.actuators):
        actuator.name = name_of[k]
    for sensor in file.spec.sensors:
        if sensor.objtype == mujoco.mjtObj.mjOBJ_ACTUATOR:
            sensor.objname = new_name[sensor.objname]


def _round(motor: Motor) -> None:
    """Round the numbers of a motor to what a person reads."""
    for number in ("lower", "upper", "rate", "effort", "stiffness"):
        setattr(motor, number, readable(getattr(motor, number)))


def readable(value: float) -> float:
    """Return a number with six digits."""
    return float(f"{value:.6g}")


def _settle(file: ModelFile, name: str, k: int, joints: tuple[str, ...], standing: bool) -> Motor:
    """Rewrite an actuator so that its control is a command of the joint, and return the motor."""
    model, actuator = file.model, file.spec.actuators[k]
    law, gear = law_of(model, k), float(model.actuator_gear[k, 0])
    assert law is not None
    length = _length_unit(model, joints)
    integrates = law.quantity == "velocity" and law.stiffness > 0.0
    per_control = {"effort": law.gain * gear, "position": law.gain / max(law.stiffness, 1e-300) / gear,
                   "velocity": law.gain / (law.stiffness if integrates else law.damping or 1.0) / gear}[law.quantity]
    shift = {"effort": 0.0, "position": law.offset / max(law.stiffness, 1e-300) / gear,
             "velocity": 0.0 if integrates else law.offset / (law.damping or 1.0) / gear}[law.quantity]
    unit = {"position": length, "velocity": PER_S[length], "effort": EFFORT[length]}[law.quantity]
    motor = Motor(name, joints, law.quantity, unit, math.nan, math.nan, math.inf, math.inf,
                  law.stiffness * gear * gear if law.quantity == "position" else 0.0)
    forces = _forces(model, k, gear, joints)
    if forces is not None:
        motor.effort = max(abs(forces[0]), abs(forces[1]))
    if model.actuator_ctrllimited[k]:
        motor.lower, motor.upper = sorted(float(c) * per_control + shift for c in model.actuator_ctrlrange[k])
    _fill_range(file, motor, length, forces, standing)
    if motor.quantity == "effort":
        motor.effort = min(motor.effort, max(abs(motor.lower), abs(motor.upper)))
    _fill_rate(motor)
    _round(motor)
    actuator.gear, actuator.inheritrange = [1.0, 0, 0, 0, 0, 0], 0.0
    actuator.ctrllimited, actuator.ctrlrange = mujoco.mjtLimited.mjLIMITED_TRUE, [motor.lower, motor.upper]
    square = gear * gear
    actuator.gainprm[0] = {"effort": 1.0, "position": law.stiffness * square,
                           "velocity": (law.stiffness if integrates else law.damping) * square}[law.quantity]
    if law.quantity != "effort":
        actuator.biasprm[:3] = [law.offset * gear if integrates else 0.0, -law.stiffness * square,
                                -law.damping * square]
    if model.actuator_forcelimited[k]:
        actuator.forcerange = sorted(float(f) * gear for f in model.actuator_forcerange[k])
    if model.actuator_actlimited[k]:
        scale = 1.0 / gear if integrates else per_control
        actuator.actrange = sorted(float(a) * scale for a in model.actuator_actrange[k])
    for part in ("armature", "damping"):
        if hasattr(actuator, part):
            setattr(actuator, part, np.multiply(getattr(actuator, part), square))
    return motor


def _forces(model: mujoco.MjModel, k: int, gear: float, joints: Sequence[str]) -> tuple[float, float] | None:
    """Return the limits of an actuator's effort on its joint: its own, and those of the joint."""
    low, high = -math.inf, math.inf
    if model.actuator_forcelimited[k]:
        low, high = sorted(float(f) * gear for f in model.actuator_forcerange[k])
    if len(joints) == 1 and model.joint(joints[0]).id >= 0:
        at = model.joint(joints[0]).id
        if model.jnt_actfrclimited[at]:
            low, high = max(low, float(model.jnt_actfrcrange[at, 0])), min(high, float(model.jnt_actfrcrange[at, 1]))
    return (low, high) if math.isfinite(low) and math.isfinite(high) and low < high else None


def _fill_range(file: ModelFile, motor: Motor, length: str, forces: tuple[float, float] | None,
                standing: bool) -> None:
    """Limit the commands to what the joint allows, and guess the range of a motor without one."""
    model = file.model
    if motor.quantity == "position":
        joint = _joint_range(model, motor.joints)
        if math.isnan(motor.lower):
            motor.lower, motor.upper = joint or (-TURN[length], TURN[length])
            if joint is None:
                motor.guessed["lower, upper"] = "neither the motor nor the joint has limits in the file"
        elif joint is not None and max(joint[0], motor.lower) < min(joint[1], motor.upper):
            motor.lower, motor.upper = max(joint[0], motor.lower), min(joint[1], motor.upper)
    elif motor.quantity == "velocity" and math.isnan(motor.lower):
        speed = file.limits.get(motor.joints[0], NO_LIMIT).velocity
        if math.isnan(speed):
            speed = SPEED[length]
            motor.guessed["lower, upper"] = "the file states no speed"
        motor.lower, motor.upper = -speed, speed
    elif motor.quantity == "effort" and math.isnan(motor.lower):
        if forces is None:
            effort = _weight(file, motor.joints[0], standing)
            motor.guessed["lower, upper, effort"] = f"the file states no effort; {SAFETY:g} times what holds the weight"
            forces = -effort, effort
        motor.lower, motor.upper = forces


def _fill_rate(motor: Motor) -> None:
    if motor.quantity != "effort":
        motor.rate = (motor.upper - motor.lower) / ACROSS_S
        motor.guessed["rate"] = f"the file states none; the whole range in {ACROSS_S:g} s"


def _make(file: ModelFile, name: str, standing: bool) -> Motor:
    """Add a servo to a joint: of position where the joint has limits, of speed where it turns without end."""
    model, spec = file.model, file.spec
    at = model.joint(name).id
    length = _length_unit(model, (name,))
    stated = file.limits.get(name, NO_LIMIT)
    joint = _joint_range(model, (name,))
    motor = Motor(name, (name,), "position", length, *(joint or (0.0, 0.0)), math.inf, stated.effort)
    if math.isnan(motor.effort):
        if model.jnt_actfrclimited[at]:
            motor.effort = float(np.abs(model.jnt_actfrcrange[at]).max())
        else:
            motor.effort = _weight(file, name, standing)
            motor.guessed["effort"] = f"the file states none; {SAFETY:g} times what holds the weight"
    if joint is None:
        motor.quantity, motor.unit = "velocity", PER_S[length]
        _fill_range(file, motor := _unlimited(motor), length, None, standing)
        _fill_rate(motor)
        _round(motor)
        gain = motor.effort / motor.upper
        bias = [0.0, 0.0, -gain]
    else:
        motor.rate = stated.velocity
        if math.isnan(motor.rate):
            _fill_rate(motor)
        firm = min(motor.effort, _weight(file, name, standing)) if standing else motor.effort
        motor.stiffness = firm / (FULL_AT * min(motor.upper - motor.lower, TURN[length]))
        share = "full effort" if firm == motor.effort else f"{SAFETY:g} times what holds the weight"
        motor.guessed["stiffness"] = f"{share} at {FULL_AT:.0%} of the range, at most half a turn"
        times = motor.effort / firm
        if times > ABSURD:  # with all of it, legs would throw the robot into the air
            file.warnings.append(f"joint {name}: its effort of {motor.effort:g} is {times:.0f} times what its servo "
                                 "needs; it is probably no measured value")
        _round(motor)
        gain = motor.stiffness
        bias = [0.0, -gain, 1.0]  # MuJoCo reads a positive third number as a share of critical damping
    for own in spec.joints:
        if own.name == name:
            own.armature = max(float(own.armature), gain * model.opt.timestep ** (2 if joint else 1) / STEADY ** 2)
    actuator = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    actuator.biastype = mujoco.mjtBias.mjBIAS_AFFINE
    actuator.gainprm[0] = gain
    actuator.biasprm[:3] = bias
    actuator.ctrllimited = actuator.forcelimited = mujoco.mjtLimited.mjLIMITED_TRUE
    actuator.ctrlrange, actuator.forcerange = [motor.lower, motor.upper], [-motor.effort, motor.effort]
    return motor


def _unlimited(motor: Motor) -> Motor:
    motor.lower = motor.upper = math.nan
    return motor


def _joint_range(model: mujoco.MjModel, joints: Sequence[str]) -> tuple[float, float] | None:
    """Return the limits of a joint, or of a tendon over joints; None where there are none."""
    if len(joints) != 1:
        return None
    joint = model.joint(joints[0])
    lower, upper = (float(x) for x in model.jnt_range[joint.id])
    limited = model.jnt_limited[joint.id] and lower < upper and max(-lower, upper) < NO_LIMIT_RAD
    return (lower, upper) if limited else None


def _length_unit(model: mujoco.MjModel, joints: Sequence[str]) -> str:
    return "m" if int(model.joint(joints[0]).type[0]) == SLIDE else "rad"


def _weight(file: ModelFile, joint: str, standing: bool) -> float:
    """Return an effort that holds what hangs on a joint, stretched out, several times over; in N*m or N."""
    model = file.model
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    at = model.joint(joint)
    body = int(at.bodyid[0])
    mass = float(model.body_subtreemass[body])
    if standing:
        mass = max(mass, 0.5 * float(model.body_subtreemass[model.body_rootid[body]]))
    arm = reach_of(model, data, body) if int(at.type[0]) == HINGE else 1.0
    return float(f"{max(SAFETY * mass * 9.81 * arm, LEAST_EFFORT):.2g}")


def described(motors: Sequence[Motor]) -> Iterator[str]:
    """Yield each guess about the motors in one line; joints with the same guess share a line."""
    same: dict[tuple[str, str], list[str]] = {}
    for motor in motors:
        for what, why in motor.guessed.items():
            same.setdefault((what, why), []).append(motor.name)
    for (what, why), names in same.items():
        whose = f"all {len(names)} joints" if len(names) == len(motors) > 1 else ", ".join(names)
        yield f"{what} of {whose}: {why}"
