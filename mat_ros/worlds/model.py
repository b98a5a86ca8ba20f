# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Simulate the robot of a model file (MJCF) and a robot file, as `mat-ros new-robot` writes them.

A subclass names the two files. The world measures the joints, the base of a robot that moves freely, the tip of an arm,
and the target of the episode: a place for the tip, or a pose for all joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import mujoco
import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.observe import Term
from mat_ros.worlds.batch import NANOSECONDS, MujocoWorld
from mat_ros.worlds.signals import XYZ, Probe, Source, find
from mat_ros.worlds.world import Float, Ids

START, TIP, TARGET = "start", "reaching_tip", "reaching_target"  # names of a model's keyframe, site and mocap body
MIXED = "rad or m"
WXYZ = ("w", "x", "y", "z")
FREE, SLIDE, HINGE = (int(kind) for kind in (mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_SLIDE,
                                             mujoco.mjtJoint.mjJNT_HINGE))
JOINT = int(mujoco.mjtTrn.mjTRN_JOINT)
AHEAD, UP = 0, 2  # the axes x and z
LEVEL = 0.5  # an axis with less of x or z than this does not count as one along it
FLAT_M = 1e-3  # a base that starts lower than this cannot fall
AT_LIMIT = 0.1  # share of its range by which a joint keeps away from its limits in a target
FAR = np.pi / 2  # rad or m, largest distance of a joint from its start in a target
ENDLESS_RAD = np.pi  # range to either side from which the place of a joint without limits is drawn


class ModelWorld(MujocoWorld):
    """Simulate copies of a robot whose model and limits stand in two files. Commands keep to the rates of the robot."""

    model_file: ClassVar[Path]
    robot_file: ClassVar[Path]
    noise: ClassVar[float] = 0.02  # share of its range by which a joint's start varies to each side

    def __init__(self, count: int = 1, threads: int = 1) -> None:
        self.robot = RobotDescription.load(self.robot_file)
        model = load_model(self.model_file)
        joints = tuple(joint.name for joint in self.robot.joints)
        super().__init__(model, count, threads, _substeps(self.robot, model), dict(zip(joints, joints, strict=True)),
                         self.sources(model, joints))
        self._change = np.array([joint.rate for joint in self.robot.joints]) * self.robot.period_ns / NANOSECONDS
        self._places = JointPlaces(model, self.robot, self._motors)
        self._root = Root(model, self._motors.tolist())
        self.rest, self.width = self._places.rest, self._places.width  # (joint,), commands at rest; ranges of joints
        self._tip = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, TIP)
        self._mocap, self._userdata = self._batch.bind("mocap_pos"), self._batch.bind("userdata")
        self._height = float(self._root.height(self._places.pose[None])[0])  # m, of the base at the start

    def sources(self, model: mujoco.MjModel, joints: tuple[str, ...]) -> list[Source]:
        """Return the measurements; a subclass may add some, such as the sensors of the model."""
        return sources_of(model, joints)

    def _start(self, rows: Ids) -> None:
        """Place the robots at rest near the start pose, and draw the targets of the episodes."""
        places, count = self._places, len(self.joint_names)
        shift = self.noise * (2.0 * self.uniform(rows, count, "joints") - 1.0)
        self._qpos[rows] = places.pose
        begun = np.clip(places.start + shift * places.width, places.lower, places.upper)  # (row, joint)
        self._qpos[np.ix_(rows, places.at)] = begun[:, places.single]
        self._ctrl[np.ix_(rows, self._motors)] = np.where(places.commanded, begun, places.rest)
        targets = places.low + (places.high - places.low) * self.uniform(rows, count, "target")
        if self._tip >= 0:
            self._mocap[rows, 0] = [places.point(self._tip, target) for target in targets]
        elif self.model.nuserdata:
            self._userdata[rows] = targets

    def _advance(self, rows: Ids | None, command: Float) -> None:
        """Advance by one control period; a command changes by at most the joint's rate, as behind the safety gate."""
        last = self._ctrl[np.ix_(self.rows(rows), self._motors)]
        super()._advance(rows, np.clip(command, last - self._change, last + self._change))

    def speed(self) -> Float:
        """Return the speed of the base along x, (simulation,), in m/s."""
        return self._root.speed(self._qvel)

    def height(self) -> Float:
        """Return the height of the base as a share of its height at the start, (simulation,)."""
        return self._root.height(self._qpos) / self._height if self._height > FLAT_M else np.ones(self.count)

    def upright(self) -> Float:
        """Return the cosine of the tilt of the base, counted from the start pose, (simulation,)."""
        return self._root.upright(self._qpos, self._places.pose)


def sources_of(model: mujoco.MjModel, joints: tuple[str, ...]) -> list[Source]:
    """Return what a model measures: joints, base, passive joints, and the tip and the target where it has them."""
    motors = tuple(find(model, mujoco.mjtObj.mjOBJ_ACTUATOR, joint) for joint in joints)
    unit = unit_of(model, [_first_joint(model, motor) for motor in motors])
    found: list[Source] = [Probe(Term("joint_position", unit, joints), "actuator_length", motors),
                           Probe(Term("joint_velocity", f"{unit}/s", joints), "actuator_velocity", motors),
                           *Root(model, motors).sources()]
    if mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, TIP) >= 0:
        at = int(model.body_mocapid[find(model, mujoco.mjtObj.mjOBJ_BODY, TARGET)])
        site = find(model, mujoco.mjtObj.mjOBJ_SITE, TIP)
        found += [Probe(Term("tip_position", "m", XYZ), "site_xpos", tuple(range(3 * site, 3 * site + 3))),
                  Probe(Term("target_position", "m", XYZ), "mocap_pos", tuple(range(3 * at, 3 * at + 3)))]
    elif model.nuserdata:
        found.append(Probe(Term("target_joint_position", unit, joints), "userdata", tuple(range(len(joints)))))
    return found


class Root:
    """Find the base of a robot, and name what is measured of it: nothing where the base is fixed."""

    def __init__(self, model: mujoco.MjModel, motors: Sequence[int]) -> None:
        self._model = model
        driven = [int(model.jnt_bodyid[_first_joint(model, motor)]) for motor in motors]
        roots = [int(model.body_rootid[body]) for body in driven]
        self.body = max(dict.fromkeys(roots), key=roots.count)
        moved = {int(k) for k in model.actuator_trnid[model.actuator_trntype == JOINT, 0]}
        mine = [k for k in range(model.njnt) if int(model.body_rootid[model.jnt_bodyid[k]]) == self.body]
        self.free = next((k for k in mine if int(model.jnt_type[k]) == FREE), None)
        # Joints without a motor between the world and the first joint with one.
        inner = min((k for k in mine if k in moved), default=mine[-1] + 1)
        self.planar = tuple(k for k in mine if k < inner and int(model.jnt_type[k]) in (SLIDE, HINGE))
        self.slides = tuple(k for k in self.planar if int(model.jnt_type[k]) == SLIDE)
        self.turns = tuple(k for k in self.planar if int(model.jnt_type[k]) == HINGE)
        following = {int(k) for k in model.eq_obj1id[model.eq_type == int(mujoco.mjtEq.mjEQ_JOINT)]}
        # Joints without a motor further out, such as a pole on a cart.
        self.passive = tuple(k for k in mine if int(model.jnt_type[k]) in (SLIDE, HINGE)
                             and k not in {*moved, *self.planar, *following})

    def sources(self) -> list[Source]:
        """Return what is measured of the base (its height and speed, but no distance covered) and of passive joints."""
        found: list[Source] = []
        if self.free is not None:
            q, v = self._q(self.free), self._v(self.free)
            found += [Probe(Term("root_height", "m", ("z",)), "qpos", (q + 2,)),
                      Probe(Term("root_orientation", "1", WXYZ), "qpos", tuple(range(q + 3, q + 7))),
                      Probe(Term("root_velocity", "m/s", XYZ), "qvel", (v, v + 1, v + 2)),
                      Probe(Term("root_rate", "rad/s", XYZ), "qvel", (v + 3, v + 4, v + 5))]
        for name, chosen in (("root_height", self._along(UP)), ("root_angle", self.turns),
                             ("passive_position", self.passive)):
            if chosen:
                unit = unit_of(self._model, chosen)
                found.append(Probe(Term(name, unit, self._names(chosen)), "qpos", tuple(map(self._q, chosen))))
        for name, chosen in (("root_velocity", self.slides), ("root_rate", self.turns),
                             ("passive_velocity", self.passive)):
            if chosen:
                unit = f"{unit_of(self._model, chosen)}/s"
                found.append(Probe(Term(name, unit, self._names(chosen)), "qvel", tuple(map(self._v, chosen))))
        return found

    def speed(self, qvel: Float) -> Float:
        """Return the speed along x, (simulation,), in m/s, of velocities (simulation, nv)."""
        if self.free is not None:
            return np.array(qvel[:, self._v(self.free)])
        return sum((self._model.jnt_axis[k, AHEAD] * qvel[:, self._v(k)] for k in self._along(AHEAD)),
                   np.zeros(len(qvel)))

    def height(self, qpos: Float) -> Float:
        """Return the height, (simulation,), in m, of positions (simulation, nq); a fixed base has height 0."""
        if self.free is not None:
            return np.array(qpos[:, self._q(self.free) + UP])
        up = self._along(UP)
        ground = self._model.body_pos[self.body, UP] if up else 0.0
        return sum((self._model.jnt_axis[k, UP] * (qpos[:, self._q(k)] - self._model.qpos0[self._q(k)]) for k in up),
                   np.full(len(qpos), ground))

    def upright(self, qpos: Float, pose: Float) -> Float:
        """Return the cosine of the tilt, (simulation,), of positions (simulation, nq), counted from a pose (nq,)."""
        if self.free is not None:
            at = slice(self._q(self.free) + 3, self._q(self.free) + 7)
            start, now = np.zeros(4), np.zeros(3)
            mujoco.mju_negQuat(start, pose[at])
            mujoco.mju_rotVecQuat(now, (0.0, 0.0, 1.0), start)  # what was up at the start, in the base's frame
            w, axis = qpos[:, at][:, :1], qpos[:, at][:, 1:]
            turned = now + 2.0 * np.cross(axis, np.cross(axis, now) + w * now)
            return np.array(turned[:, UP])
        tilts = [k for k in self.turns if abs(self._model.jnt_axis[k, UP]) < LEVEL]
        return np.cos(sum((qpos[:, self._q(k)] - pose[self._q(k)] for k in tilts), np.zeros(len(qpos))))

    def _along(self, axis: int) -> tuple[int, ...]:
        return tuple(k for k in self.slides if abs(self._model.jnt_axis[k, axis]) > LEVEL)

    def _names(self, joints: Sequence[int]) -> tuple[str, ...]:
        return tuple(self._model.joint(k).name for k in joints)

    def _q(self, joint: int) -> int:
        return int(self._model.jnt_qposadr[joint])

    def _v(self, joint: int) -> int:
        return int(self._model.jnt_dofadr[joint])


class JointPlaces:
    """The places of the commanded joints: where they start, and the ranges (joint,) `low` to `high` of targets."""

    def __init__(self, model: mujoco.MjModel, robot: RobotDescription, motors: NDArray[np.intp]) -> None:
        key = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_KEY, START)
        self.pose = np.array(model.qpos0 if key < 0 else model.key_qpos[key])  # (nq,)
        self.commanded = np.array([joint.quantity == "position" for joint in robot.joints])
        self.rest = np.array([joint.default for joint in robot.joints])
        self.single = np.flatnonzero(model.actuator_trntype[motors] == JOINT)  # commands that move one joint
        moved = model.actuator_trnid[motors[self.single], 0]
        self.at = model.jnt_qposadr[moved]
        lower, upper = np.array([(joint.lower, joint.upper) for joint in robot.joints]).T
        limited = model.jnt_limited[moved, None].astype(bool)
        limits = np.where(limited, model.jnt_range[moved], (-ENDLESS_RAD, ENDLESS_RAD))
        self.lower, self.upper = lower.copy(), upper.copy()
        self.lower[self.single] = np.where(self.commanded[self.single], lower[self.single], limits[:, 0])
        self.upper[self.single] = np.where(self.commanded[self.single], upper[self.single], limits[:, 1])
        self.width = self.upper - self.lower
        self.start = np.where(self.commanded, self.rest, 0.0)
        self.start[self.single] = self.pose[self.at]
        inner = self.lower + AT_LIMIT * self.width, self.upper - AT_LIMIT * self.width
        near = np.clip(self.start, *inner)
        self.low, self.high = np.maximum(inner[0], near - FAR), np.minimum(inner[1], near + FAR)
        self._scratch = mujoco.MjData(model)
        self._model = model

    def point(self, site: int, places: Float) -> Float:
        """Return where a site is, in m, when the joints stand at `places` (joint,)."""
        self._scratch.qpos[:] = self.pose
        self._scratch.qpos[self.at] = places[self.single]
        mujoco.mj_kinematics(self._model, self._scratch)
        return np.array(self._scratch.site_xpos[site])


def load_model(path: Path) -> mujoco.MjModel:
    """Return the model of a file."""
    try:
        return mujoco.MjModel.from_xml_path(str(path))
    except ValueError as error:
        raise Refused(f"model {path}", "MJCF that MuJoCo compiles", " ".join(str(error).split()),
                      "correct the file") from error


def unit_of(model: mujoco.MjModel, joints: Sequence[int]) -> str:
    """Return the unit of the places of joints: "rad", "m", or both where hinges and slides are mixed."""
    slides = {int(model.jnt_type[joint]) == SLIDE for joint in joints}
    return MIXED if len(slides) > 1 else "m" if True in slides else "rad"


def _first_joint(model: mujoco.MjModel, motor: int) -> int:
    at = int(model.actuator_trnid[motor, 0])
    return at if model.actuator_trntype[motor] == JOINT else int(model.wrap_objid[model.tendon_adr[at]])


def _substeps(robot: RobotDescription, model: mujoco.MjModel) -> int:
    """Return the physics steps of a control period; refuse a rate that is no whole number of them."""
    substeps = max(1, round(robot.period_ns / (NANOSECONDS * model.opt.timestep)))
    if round(NANOSECONDS * substeps * model.opt.timestep) != robot.period_ns:
        raise Refused(f"robot {robot.name}, rate_hz",
                      f"1 / (whole number * {model.opt.timestep:g} s), the physics step",
                      f"{NANOSECONDS / robot.period_ns:g}", f"write {1 / (substeps * model.opt.timestep)!r}")
    return substeps
