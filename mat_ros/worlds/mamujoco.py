# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Simulate the running robots of Multi-Agent MuJoCo, with the models and rewards of Gymnasium.

Rewards are those of Gymnasium's v5 tasks. The contact costs and contact forces of Ant and Humanoid are left out: the
published multi-agent figures did not have them. Commands are torques. The motors of Gymnasium's models take shares of
their gear ratio, so the loader multiplies the control range by the gear and sets the gear to 1.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from mat_ros.core.errors import Missing
from mat_ros.core.robot.observe import Term
from mat_ros.worlds.batch import MujocoWorld
from mat_ros.worlds.signals import Derived, Probe, Source, joint_positions, joint_velocities
from mat_ros.worlds.world import Float, Ids

XYZ, WXYZ = ("x", "y", "z"), ("w", "x", "y", "z")


@dataclass(frozen=True)
class RunningPay:
    """Define the model of a robot, its reward, and the bounds beyond which the robot has fallen."""

    asset: str  # file name in Gymnasium's MuJoCo assets
    substeps: int  # physics steps per tick
    control_cost: float  # cost per squared action and tick
    noise: float  # scale of the noise of positions and velocities at the start
    normal_velocity: bool  # the velocity noise is normal, not uniform
    alive: float = 0.0  # reward per tick while upright
    forward: float = 1.0  # reward per m/s
    height: tuple[float, float] = (-np.inf, np.inf)  # m, range of an upright robot
    pitch: tuple[float, float] = (-np.inf, np.inf)  # rad, range of an upright robot
    bound: float = np.inf  # largest magnitude of every other coordinate and velocity
    velocity_clip: float = np.inf  # largest magnitude of a measured velocity
    centre_of_mass: bool = False  # whether forward speed is the speed of the centre of mass and not of the torso


def load_model(asset: str) -> mujoco.MjModel:
    """Load a model from Gymnasium's installed assets; each motor has its joint's name and takes N*m."""
    spec = importlib.util.find_spec("gymnasium")
    if spec is None or spec.origin is None:
        raise Missing("gymnasium, whose robot models this world uses,", "run `pip install gymnasium`")
    found = mujoco.MjSpec.from_file(str(Path(spec.origin).parent / "envs/mujoco/assets" / asset))
    for motor in found.actuators:
        gear = motor.gear[0]
        motor.name, motor.ctrlrange, motor.gear[0] = motor.target, motor.ctrlrange * gear, 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the assets use an attribute that MuJoCo has deprecated
        return found.compile()


def neighbours(model: mujoco.MjModel, joints: tuple[str, ...]) -> dict[str, set[str]]:
    """Return the driven neighbours of each driven joint along the skeleton.

    Two joints are neighbours when they move the same body, when one carries the body of the other, or when no driven
    body lies between either of them and the root.
    """
    body = {joint: int(model.joint(joint).bodyid[0]) for joint in joints}
    driven = set(body.values())

    def carrier(of: int) -> int:  # next body towards the root that a motor moves, or 0
        parent = int(model.body(of).parentid[0])
        while parent and parent not in driven:
            parent = int(model.body(parent).parentid[0])
        return parent

    carried = {joint: carrier(body[joint]) for joint in joints}

    def joined(a: str, b: str) -> bool:
        on_root = carried[a] == carried[b] == 0
        return a != b and (body[a] == body[b] or carried[a] == body[b] or carried[b] == body[a] or on_root)

    return {a: {b for b in joints if joined(a, b)} for a in joints}


class Locomotion(MujocoWorld):
    """Simulate robots that run along x and are rewarded for speed."""

    pay: ClassVar[RunningPay]

    def __init__(self, count: int = 1, threads: int = 1) -> None:
        model = load_model(self.pay.asset)
        joints = tuple(model.actuator(k).name for k in range(model.nu))  # a motor has the name of its joint
        super().__init__(model, count, threads, self.pay.substeps, dict(zip(joints, joints, strict=True)),
                         _sources(model, joints, self.pay))
        self._mass = self._batch.bind("subtree_com") if self.pay.centre_of_mass else None
        free = model.joint(0).type[0] == mujoco.mjtJoint.mjJNT_FREE
        # The coordinates of a planar robot begin with x, z, pitch. Those of a free joint begin with x, y, z.
        self._height = 2 if free else 1
        self._pitch = None if free else 2
        self._forward, self._before = np.zeros((2, count))  # m, position along x now and before the last tick

    def _start(self, rows: Ids) -> None:
        pay, model = self.pay, self.model
        draws = self.uniform(rows, model.nq + 2 * model.nv)
        place, first, second = np.split(draws, (model.nq, model.nq + model.nv), axis=1)
        self._qpos[rows] = model.qpos0 + pay.noise * (2.0 * place - 1.0)
        if pay.normal_velocity:
            self._qvel[rows] = pay.noise * np.sqrt(-2.0 * np.log1p(-first)) * np.cos(2.0 * np.pi * second)
        else:
            self._qvel[rows] = pay.noise * (2.0 * first - 1.0)

    def reset(self, ids: ArrayLike | None = None, seed: int | ArrayLike | None = None) -> None:
        """Start the next episode of all or some simulations; a seed restarts their sequence of episodes."""
        super().reset(ids, seed)
        self._forward[:] = self._along()

    def step(self, command: ArrayLike, ids: ArrayLike | None = None) -> None:
        """Hold torques (simulation, joint) in N*m for one control period."""
        self._before[:] = self._forward
        super().step(command, ids)
        self._forward[:] = self._along()

    def speed(self) -> Float:
        """Return the mean forward speed over the last tick in m/s, (simulation,)."""
        return (self._forward - self._before) / (self.control_period_ns * 1e-9)

    def _along(self) -> Float:
        """Return the position along x in m, (simulation,), after the last step or reset."""
        place: Float = self._qpos[:, 0] if self._mass is None else self._mass[:, 0, 0]
        return place

    def state(self) -> dict[str, NDArray[Any]]:
        """Return a copy of everything that the next step and the next reset depend on."""
        # MuJoCo's state has no centre of mass, and computing the centre again would change the solver's warm start.
        return {**super().state(), "forward": self._forward.copy()}

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore a state, so that the next steps have the same bits as those after `state()`."""
        super().set_state(state)
        self._forward[:] = state["forward"] if "forward" in state else self._along()  # absent from older states

    def upright(self) -> NDArray[np.bool_]:
        """Return whether each robot is upright, (simulation,)."""
        pay, height = self.pay, self._qpos[:, self._height]
        standing = (pay.height[0] <= height) & (height <= pay.height[1])
        standing &= np.isfinite(self._qpos).all(axis=1) & np.isfinite(self._qvel).all(axis=1)
        if self._pitch is not None:
            standing &= (pay.pitch[0] < self._qpos[:, self._pitch]) & (self._qpos[:, self._pitch] < pay.pitch[1])
        if np.isfinite(pay.bound):
            standing &= (np.abs(self._qpos[:, 2:]) < pay.bound).all(axis=1)
            standing &= (np.abs(self._qvel) < pay.bound).all(axis=1)
        return np.asarray(standing)

    def neighbours(self) -> dict[str, set[str]]:
        """Return the driven neighbours of each driven joint along the skeleton."""
        return neighbours(self.model, self.joint_names)


def _sources(model: mujoco.MjModel, joints: tuple[str, ...], pay: RunningPay) -> list[Source]:
    """Return the measurements: the driven joints, and the root's pose and velocity without its distance covered."""
    root, v = model.joint(0), int(model.joint(0).dofadr[0])
    sources: list[Source] = [joint_positions(model, joints), _clipped(joint_velocities(model, joints), pay)]
    if root.type[0] == mujoco.mjtJoint.mjJNT_FREE:
        sources += [Probe(Term("root_height", "m", ("z",)), "qpos", (2,)),
                    Probe(Term("root_orientation", "1", WXYZ), "qpos", (3, 4, 5, 6)),
                    _clipped(Probe(Term("root_velocity", "m/s", XYZ), "qvel", (v, v + 1, v + 2)), pay),
                    _clipped(Probe(Term("root_rate", "rad/s", XYZ), "qvel", (v + 3, v + 4, v + 5)), pay)]
    else:
        x, z, pitch = (model.joint(k).name for k in range(3))
        sources += [Probe(Term("root_height", "m", (z,)), "qpos", (1,)),
                    Probe(Term("root_pitch", "rad", (pitch,)), "qpos", (2,)),
                    _clipped(Probe(Term("root_velocity", "m/s", (x, z)), "qvel", (0, 1)), pay),
                    _clipped(Probe(Term("root_rate", "rad/s", (pitch,)), "qvel", (2,)), pay)]
    return sources


def _clipped(probe: Probe, pay: RunningPay) -> Source:
    limit = pay.velocity_clip
    return probe if np.isinf(limit) else Derived(probe.term, (probe,), lambda seen: np.clip(seen, -limit, limit))


class HalfCheetah(Locomotion):
    """Simulate a planar runner with two legs."""

    pay = RunningPay("half_cheetah.xml", 5, 0.1, 0.1, True)


class Ant(Locomotion):
    """Simulate a runner with four legs."""

    pay = RunningPay("ant.xml", 5, 0.5, 0.1, True, alive=1.0, height=(0.2, 1.0))


class Walker2d(Locomotion):
    """Simulate a planar walker."""

    pay = RunningPay("walker2d_v5.xml", 4, 1e-3, 5e-3, False, alive=1.0, height=(0.8, 2.0), pitch=(-1.0, 1.0),
                     velocity_clip=10.0)


class Hopper(Locomotion):
    """Simulate a planar robot with one leg."""

    pay = RunningPay("hopper.xml", 4, 1e-3, 5e-3, False, alive=1.0, height=(0.7, np.inf), pitch=(-0.2, 0.2),
                     bound=100.0, velocity_clip=10.0)


class Humanoid(Locomotion):
    """Simulate a robot with two legs and two arms."""

    pay = RunningPay("humanoid.xml", 5, 0.016, 1e-2, False, alive=5.0, forward=1.25, height=(1.0, 2.0),
                     centre_of_mass=True)
