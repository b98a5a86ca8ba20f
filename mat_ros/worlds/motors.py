# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Weaken and lock the motors of MuJoCo simulations, as faults do; see `mat_ros.worlds.world.Motors`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

FIELDS = ("actuator_gainprm", "actuator_biasprm", "actuator_forcerange")  # scaled by the remaining strength
# A stuck joint gets so much inertia and damping that no motor or contact of these robots moves it. The ratio of damping
# to inertia is small enough for explicit integrators, which some robots use.
LOCK = {"dof_armature": 1e5, "dof_damping": 1e6}  # kg*m^2, N*m*s/rad


class MujocoMotors:
    """Hold the whole values of the fields of MjModel that faults change, per simulation."""

    def __init__(self, model: mujoco.MjModel, motors: NDArray[np.intp], velocities: Float,
                 vary: Callable[[str], NDArray[Any]]) -> None:
        self._model, self._motors, self._velocities, self._vary = model, motors, velocities, vary
        self._own: dict[str, NDArray[Any]] = {}  # live fields per simulation; empty until a fault needs them
        self._whole: dict[str, NDArray[Any]] = {}  # values of the same fields before the first fault

    def prepare(self) -> None:
        """Let each simulation have values of its own in the fields."""
        if not self._own:
            self._own = {field: self._vary(field) for field in (*FIELDS, *LOCK)}
            self._whole = {field: values.copy() for field, values in self._own.items()}

    def note_whole(self, row: int) -> None:
        """Store the whole values of a simulation."""
        for field, values in self._own.items():
            self._whole[field][row] = values[row]

    def apply(self, row: int, strength: Float, stuck: Sequence[int]) -> None:
        """Write the strengths (joint,) and the locks of a simulation into the fields."""
        if not self._own:
            return
        for field in FIELDS:
            self._own[field][row, self._motors] = self._whole[field][row, self._motors] * strength[:, None]
        locked = [dof for joint in stuck for dof in self._dofs(joint)]
        for field, value in LOCK.items():
            self._own[field][row] = self._whole[field][row]
            self._own[field][row, locked] = value

    def halt(self, row: int, joint: int) -> None:
        """Take the velocity from a joint."""
        self._velocities[row, self._dofs(joint)] = 0.0

    def _dofs(self, joint: int) -> list[int]:
        """Return the degrees of freedom that a stuck motor locks: those of its joint, or of the joints of its tendon.

        A flying base has none, because its drag stops it.
        """
        model, motor = self._model, self._motors[joint]
        moved = [int(model.actuator_trnid[motor, 0])]
        if model.actuator_trntype[motor] == int(mujoco.mjtTrn.mjTRN_TENDON):
            wraps = range(model.tendon_adr[moved[0]], model.tendon_adr[moved[0]] + model.tendon_num[moved[0]])
            moved = [int(model.wrap_objid[k]) for k in wraps if model.wrap_type[k] == int(mujoco.mjtWrap.mjWRAP_JOINT)]
        # The joint types are compared as integers, because a NumPy integer never equals a member of MuJoCo's enums.
        hinged = (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE))
        return [int(model.jnt_dofadr[k]) for k in moved if int(model.jnt_type[k]) in hinged]

    def memory(self) -> dict[str, NDArray[Any]]:
        """Return a copy of the whole values."""
        return {f"whole/{field}": values.copy() for field, values in self._whole.items()}

    def recall(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore the whole values."""
        for field in self._whole:
            self._whole[field][:] = state[f"whole/{field}"]
