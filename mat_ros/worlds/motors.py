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
        """Give each simulation its own values of the fields."""
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
        locked = [dof for dof in map(self._dof, stuck) if dof is not None]
        for field, value in LOCK.items():
            self._own[field][row] = self._whole[field][row]
            self._own[field][row, locked] = value

    def halt(self, row: int, joint: int) -> None:
        """Take the velocity from a joint."""
        if (dof := self._dof(joint)) is not None:
            self._velocities[row, dof] = 0.0

    def _dof(self, joint: int) -> int | None:
        """Return the degree of freedom that a stuck joint locks.

        A flying base has none, because its drag stops it. A tendon has none, because it moves several joints.
        """
        if self._model.actuator_trntype[self._motors[joint]] != int(mujoco.mjtTrn.mjTRN_JOINT):
            return None
        moved = int(self._model.actuator_trnid[self._motors[joint], 0])
        # The joint types are compared as integers, because a NumPy integer never equals a member of MuJoCo's enums.
        hinged = int(self._model.jnt_type[moved]) in (int(mujoco.mjtJoint.mjJNT_HINGE),
                                                      int(mujoco.mjtJoint.mjJNT_SLIDE))
        return int(self._model.jnt_dofadr[moved]) if hinged else None

    def memory(self) -> dict[str, NDArray[Any]]:
        """Return a copy of the whole values."""
        return {f"whole/{field}": values.copy() for field, values in self._whole.items()}

    def recall(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore the whole values."""
        for field in self._whole:
            self._whole[field][:] = state[f"whole/{field}"]
