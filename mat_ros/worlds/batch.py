# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Step many copies of one MuJoCo model. No bit of a row depends on the number of rows or of threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mujoco
import mujoco.batch
import numpy as np
from numpy.typing import ArrayLike, NDArray

from mat_ros.core.errors import Refused
from mat_ros.worlds.motors import MujocoMotors
from mat_ros.worlds.signals import COMMAND_FIELD, Signals, Source, find, terms_of
from mat_ros.worlds.world import Float, Ids, World

NANOSECONDS = 1_000_000_000
# In a batch of at most this size, every simulation keeps its own MjData, so that MuJoCo computes the derived quantities
# of each state once and not twice. An MjData takes 0.3 MB, so larger batches share one MjData per thread. Both ways
# compute the same bits.
PERSISTENT_UP_TO = 512
MOVED = int(mujoco.mjtStage.mjSTAGE_VEL)  # a step ends after the new positions, velocities and their sensors


class MujocoWorld(World):
    """Hold many simulations of one model, which are commanded and measured by name.

    Each robot is a subclass. The subclass builds the model, lists the measurements and starts an episode (`_start`).
    """

    def __init__(self, model: mujoco.MjModel, count: int, threads: int, substeps: int,
                 actuators: Mapping[str, str], sources: Sequence[Source]) -> None:
        """Make `count` simulations; `actuators` maps each commanded joint to its actuator, in command order."""
        if count < 1 or threads < 1 or substeps < 1:
            raise Refused("world", "at least one simulation, thread and substep", (count, threads, substeps),
                          "give positive numbers")
        self._motors = np.array([find(model, mujoco.mjtObj.mjOBJ_ACTUATOR, a) for a in actuators.values()])
        limits = model.actuator_ctrlrange[self._motors].astype(np.float64)
        if not (limits[:, 0] < limits[:, 1]).all():
            raise Refused("actuators", "a control range for each actuator",
                          dict(zip(actuators, limits.tolist(), strict=True)), "set ctrlrange in the model")
        super().__init__(count, round(NANOSECONDS * substeps * model.opt.timestep), tuple(actuators),
                         (limits[:, 0], limits[:, 1]), terms_of(sources))
        self.model, self.substeps = model, substeps
        self._batch = mujoco.batch.Batch(model, count, threads, persistent=count <= PERSISTENT_UP_TO)
        self._ctrl: Float = self._batch.bind("ctrl")
        self._qpos: Float = self._batch.bind("qpos")
        self._qvel: Float = self._batch.bind("qvel")
        self._signals = Signals(sources, _fields(self._batch, self._command_share))
        self._calm = np.zeros_like(self._warned())  # MuJoCo's warning counters at the last reset

    # -- the episode ---------------------------------------------------------------------------------------------

    def _clear(self, rows: Ids) -> None:
        self._batch.reset(ids=rows, stage=int(mujoco.mjtStage.mjSTAGE_NONE))

    def _settle(self, rows: Ids) -> None:
        self._batch.forward(ids=rows)
        self._calm[rows] = self._warned()[rows]

    def _scatter(self, rows: Ids) -> None:
        """Move the driven hinges of `rows` away from where the task has placed them."""
        model = self.model
        motors = self._motors[model.actuator_trntype[self._motors] == int(mujoco.mjtTrn.mjTRN_JOINT)]
        joints = model.actuator_trnid[motors, 0]
        # The joint types are compared as integers, because a NumPy integer never equals a member of MuJoCo's enums.
        joints = joints[model.jnt_type[joints] == int(mujoco.mjtJoint.mjJNT_HINGE)]
        lower, upper = np.where(model.jnt_limited[joints, None], model.jnt_range[joints], (-np.inf, np.inf)).T
        places = np.ix_(rows, model.jnt_qposadr[joints])
        offsets = self.scatter.joint_position * (2.0 * self.uniform(rows, len(joints), "start") - 1.0)
        self._qpos[places] = np.clip(self._qpos[places] + offsets, lower, upper)

    def _advance(self, rows: Ids | None, command: Float) -> None:
        self._ctrl[(slice(None), self._motors) if rows is None else np.ix_(rows, self._motors)] = command
        self._batch.step(ids=rows, nstep=self.substeps, stage=MOVED)

    def _fill(self, rows: Ids | None) -> None:
        self._signals.fill(self._measured, rows)

    def motor_faults(self) -> MujocoMotors:
        """Return what weakens and locks the motors of this world."""
        return MujocoMotors(self.model, self._motors, self._qvel, self.vary)

    # -- by name -------------------------------------------------------------------------------------------------

    def joint_position(self, joint: str) -> Float:
        """Return the position of a hinge or slide joint, (simulation,)."""
        return np.array(self._qpos[:, self._place(joint, "qposadr")])

    def joint_velocity(self, joint: str) -> Float:
        """Return the velocity of a hinge or slide joint, (simulation,)."""
        return np.array(self._qvel[:, self._place(joint, "dofadr")])

    def set_joint_position(self, joint: str, position: ArrayLike, ids: ArrayLike | None = None) -> None:
        """Set the position of a hinge or slide joint and measure again; curricula and tests use this."""
        rows = self.rows(ids)
        self._qpos[rows, self._place(joint, "qposadr")] = position
        self._batch.forward(ids=rows)
        self._signals.fill(self._measured, rows)

    def _place(self, joint: str, address: str) -> int:
        return int(getattr(self.model, f"jnt_{address}")[find(self.model, mujoco.mjtObj.mjOBJ_JOINT, joint)])

    @property
    def motors(self) -> NDArray[np.intp]:
        """Return the actuator id of each commanded joint, (joint,): columns of MjModel's actuator fields."""
        return np.array(self._motors)

    # -- parameters ----------------------------------------------------------------------------------------------

    def vary(self, field: str) -> NDArray[Any]:
        """Return a writable array (simulation, ...) with each simulation's own values of a field of MjModel."""
        values: NDArray[Any] = self._batch.expand(field)
        return values

    def settle_parameters(self, ids: ArrayLike | None = None) -> None:
        """Recompute the quantities that MuJoCo derives from varied masses, inertias and other parameters."""
        self._batch.set_const(ids=None if ids is None else self.rows(ids))

    def materialise(self, row: int) -> tuple[mujoco.MjModel, mujoco.MjData]:
        """Return one simulation as plain MuJoCo objects, to inspect or to render it."""
        model = self._batch.get_model(row)
        data = self._batch.get_data(row, mujoco.MjData(model))
        mujoco.mj_forward(model, data)
        return model, data

    # -- snapshots -----------------------------------------------------------------------------------------------

    def state(self) -> dict[str, NDArray[Any]]:
        """Copy everything that the next step and the next reset depend on, varied parameters included."""
        varied = {f"model/{name}": values.copy() for name, values in self._varied().items()}
        return {"rows": self._batch.state.copy(), **super().state(), **varied}

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore a state, so that the next steps have the same bits as those after `state()`."""
        if state["rows"].shape != self._batch.state.shape:
            raise Refused("state", f"rows of {self._batch.state.shape}", state["rows"].shape,
                          "restore into a world of the same scene and count")
        for name, values in state.items():
            if name.startswith("model/"):
                self.vary(name.removeprefix("model/"))[:] = values
        self._batch.state[:] = state["rows"]
        super().set_state(state)
        self._calm[:] = self._warned()

    def _varied(self) -> dict[str, NDArray[Any]]:
        # MuJoCo 3.17, the last release for Python 3.10, has `expanded` only on the inner object `_b`.
        asked = self._batch if hasattr(mujoco.batch.Batch, "expanded") else self._batch._b
        return {name: self.vary(name) for name in mujoco.batch.MODEL_FIELDS if asked.expanded(name) is not None}

    def warnings(self) -> NDArray[np.int64]:
        """Return the number of MuJoCo's warnings since the reset, (simulation,); one warning spoils the episode."""
        new: NDArray[np.int64] = np.sum(self._warned() - self._calm, axis=1, dtype=np.int64)
        return new

    # -- plumbing ------------------------------------------------------------------------------------------------

    def _warned(self) -> NDArray[np.int32]:
        """Return MuJoCo's warning counters, (simulation, kind); the counters stand in column 1 of `warning`."""
        counters: NDArray[np.int32] = self._batch.warning[:, :, 1]
        return counters


def _fields(batch: mujoco.batch.Batch, command_share: Float) -> Callable[[str], NDArray[Any]]:
    """Return the function that returns a field of the simulations by name."""
    # The function holds no world. Otherwise gigabytes of simulations would wait for the garbage collector.
    return lambda name: command_share if name == COMMAND_FIELD else batch.bind(name)
