# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Break the joints and sensors of a world according to a fault schedule. No other module applies a fault to physics.

The faults of a tick act on the measurements of the tick and on the command that follows from them. The measurements of
tick 0 are those after the reset. A fault that starts at tick k acts on the k-th measurement and on the k-th command,
both counted from 0. A randomised parameter keeps its drawn value under a fault. Randomise a parameter before or after a
fault, never during one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mat_ros.core.errors import Refused
from mat_ros.core.faults.schedule import KINDS, Fault, Schedule, Targets
from mat_ros.worlds.world import World

Float = NDArray[np.float64]

DEPTH = 1 + int(max(KINDS[level, "delayed"].upper for level in ("actuator", "sensor")))  # ticks that are stored
NEVER = np.iinfo(np.int64).max


def fault_targets(world: World) -> Targets:
    """Return the names that faults can break: the commanded joints and the measured elements (`term/element`)."""
    return Targets(actuator=world.joint_names,
                   sensor=tuple(f"{term.name}/{element}" for term in world.terms for element in term.elements))


class FaultyWorld:
    """Wrap a world and break its joints and sensors according to schedules. `world` keeps the true measurements.

    With empty schedules this world has the same bits as the wrapped world and no measurable cost.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.count, self.terms, self.joint_names = world.count, world.terms, world.joint_names
        self.control_period_ns = world.control_period_ns
        self.command_lower, self.command_upper = world.command_lower, world.command_upper
        self._schedules = [Schedule(0)] * world.count
        self._actuators = _Actuators(world)
        self._sensors = _Sensors(world)
        self._reported = world.measure()

    def reset(self, ids: ArrayLike | None = None, seed: int | ArrayLike | None = None,
              schedules: Sequence[Schedule] | None = None) -> None:
        """Start the next episode of all or some simulations, without faults or with one fault schedule for each."""
        rows = self.world.rows(ids)
        schedules = [Schedule(0)] * len(rows) if schedules is None else schedules
        if len(schedules) != len(rows):
            raise Refused("fault schedules", f"{len(rows)}, one per simulation", len(schedules),
                          "give a schedule for each")
        for row, schedule in zip(rows, schedules, strict=True):
            self._schedules[row] = schedule
            self._actuators.mend(row, schedule)
            self._sensors.mend(row, schedule)
        self.world.reset(rows, seed)
        self._report(rows)

    def reschedule(self, row: int, schedule: Schedule) -> None:
        """Follow another schedule from now on; a fault that is active in both schedules goes on without a break."""
        self._schedules[row] = schedule
        self._actuators.mend(row, schedule)
        self._sensors.mend(row, schedule, fresh=False)
        self._report(np.array([row]))

    def step(self, command: ArrayLike, ids: ArrayLike | None = None) -> None:
        """Advance by one control period; broken joints receive the command that their fault lets through."""
        rows = self.world.rows(ids)
        obeyed = self._actuators.obey(np.asarray(command, dtype=np.float64), rows, self.world.ticks, self._schedules)
        self.world.step(obeyed, None if ids is None else rows)
        self._report(rows)

    def measure(self) -> Float:
        """Return the readings of all sensors, broken ones included, (simulation, signal)."""
        signals, breakable = self.world.measure(), self._sensors.breakable
        signals[breakable] = self._reported[breakable]
        return signals

    def _report(self, rows: NDArray[np.intp]) -> None:
        rows = rows[self._sensors.breakable[rows]]
        if not len(rows):  # measuring the batch here would slow down each tick of a run without broken sensors
            return
        truth = self.world.measure()
        self._reported[rows] = truth[rows]
        self._sensors.spoil(self._reported, truth, rows, self.world.ticks, self._schedules)

    def warnings(self) -> NDArray[np.int64]:
        """Return the number of the physics' warnings since the reset, (simulation,)."""
        return self.world.warnings()

    def state(self) -> dict[str, NDArray[Any]]:
        """Return a copy of everything that the next step depends on, except the schedules."""
        return {**self.world.state(), "reported": self.measure(), **self._actuators.memory(),
                "sensor_memory": self._sensors.memory()}

    def set_state(self, state: Mapping[str, NDArray[Any]], schedules: Sequence[Schedule]) -> None:
        """Restore a state, so that the next steps have the same bits as those after `state()` under these schedules.

        With empty schedules the state of a plain world is accepted too, because older checkpoints of trainings
        without faults contain such a state.
        """
        plain = "reported" not in state
        if plain and any(schedule.faults for schedule in schedules):
            raise Refused("state", "a state of a world with faults, because the schedules have faults",
                          "a state of a plain world", "continue it with empty schedules")
        self._schedules = list(schedules)
        for row, schedule in enumerate(self._schedules):
            self._actuators.mend(row, schedule)
            self._sensors.mend(row, schedule)
        self.world.set_state(state)
        if plain:
            return
        self._reported[:] = state["reported"]
        self._actuators.recall(state, self._schedules)
        self._sensors.recall(state["sensor_memory"])


class _Actuators:
    """Hold the remaining effect of each actuator, (simulation, joint), and the past commands that faults repeat."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._place = {joint: k for k, joint in enumerate(world.joint_names)}
        shape = (world.count, len(world.joint_names))
        self._strength, self._keep, self._mirrored = np.ones(shape), np.zeros(shape), np.zeros(shape)
        self._delay = np.zeros(shape, dtype=np.intp)
        self._obeyed = np.zeros(shape)  # (simulation, joint), the last command that took effect
        # past commands, (tick modulo DEPTH, simulation, joint); empty until a fault needs them
        self._past: Float = np.zeros((0, *shape))
        self._breakable = np.zeros(world.count, dtype=bool)  # (simulation,), whether its schedule breaks an actuator
        self._active: list[tuple[Fault, ...]] = [()] * world.count
        self._next = np.full(world.count, NEVER)  # (simulation,), the next tick at which a fault starts or ends
        self._motors = world.motor_faults()

    def mend(self, row: int, schedule: Schedule) -> None:
        """Undo the faults of a simulation, and prepare for the faults of its new schedule."""
        kinds = {fault.kind for fault in schedule.faults if fault.level == "actuator"}
        if "delayed" in kinds and not len(self._past):
            self._past = np.tile(self._obeyed, (DEPTH, 1, 1))
        if kinds & {"off", "stuck", "weak"}:
            self._motors.prepare()
        if self._active[row]:
            self._set(row, ())
        self._breakable[row], self._next[row] = bool(kinds), 0 if kinds else NEVER

    def obey(self, command: Float, rows: NDArray[np.intp], ticks: NDArray[np.int64],
             schedules: Sequence[Schedule]) -> Float:
        """Return the commands that take effect, (row, joint)."""
        tick = ticks[rows]
        for row in rows[tick >= self._next[rows]]:
            self._turn(row, int(ticks[row]), schedules[row])
        if len(self._past):
            self._past[tick % DEPTH, rows] = command
            asked = np.maximum(tick[:, None] - self._delay[rows], 0) % DEPTH
            command = self._past[asked, rows[:, None], np.arange(command.shape[1])]
        if self._breakable[rows].any():
            middle = self._world.command_lower + self._world.command_upper
            command = command + self._mirrored[rows] * (middle - 2.0 * command)
            keep = np.where((tick == 0)[:, None], 0.0, self._keep[rows])
            command = keep * self._obeyed[rows] + (1.0 - keep) * command
        self._obeyed[rows] = command
        return command

    def _turn(self, row: int, tick: int, schedule: Schedule) -> None:
        """Start and end the faults that are due in a tick."""
        before, active = self._active[row], _broken_actuators(schedule, tick)
        if not before:  # without a fault, the randomiser may have changed the motors
            self._motors.note_whole(row)
        self._set(row, active)
        self._next[row] = min((edge for fault in schedule.faults for edge in (fault.start, fault.end)
                               if edge is not None and edge > tick), default=NEVER)
        for fault in active:
            if fault.kind == "stuck" and fault not in before:
                self._motors.halt(row, self._place[fault.target])

    def _set(self, row: int, active: tuple[Fault, ...]) -> None:
        """Apply the active faults of a simulation."""
        self._active[row] = active
        self._strength[row], self._keep[row], self._mirrored[row], self._delay[row] = 1.0, 0.0, 0.0, 0
        for fault in active:
            joint = self._place[fault.target]
            if fault.kind in ("off", "stuck"):
                self._strength[row, joint] = 0.0
            elif fault.kind == "weak":
                self._strength[row, joint] = 1.0 - fault.severity
            elif fault.kind == "slow":
                self._keep[row, joint] = fault.severity
            elif fault.kind == "wrong":
                self._mirrored[row, joint] = fault.severity
            elif fault.kind == "delayed":
                self._delay[row, joint] = round(fault.severity)
        stuck = [self._place[fault.target] for fault in active if fault.kind == "stuck"]
        self._motors.apply(row, self._strength[row], stuck)

    def memory(self) -> dict[str, NDArray[Any]]:
        """Copy the past."""
        return {"obeyed": self._obeyed.copy(), "past_commands": self._past.copy(),
                **self._motors.memory()}

    def recall(self, state: Mapping[str, NDArray[Any]], schedules: Sequence[Schedule]) -> None:
        """Restore the past commands and the faults that were active in the tick before."""
        self._obeyed[:], self._past = state["obeyed"], state["past_commands"].copy()
        self._motors.recall(state)
        for row, schedule in enumerate(schedules):
            if (before := int(self._world.ticks[row]) - 1) >= 0:
                self._set(row, _broken_actuators(schedule, before))


def _broken_actuators(schedule: Schedule, tick: int) -> tuple[Fault, ...]:
    return tuple(fault for fault in schedule.active(tick) if fault.level == "actuator")


class _Sensor:
    """Hold the fault of one reading and the past readings that the fault repeats."""

    def __init__(self, fault: Fault, column: int) -> None:
        self.fault, self.column = fault, column
        # A delay stores the readings of the last ticks. Any other fault stores the one reading that it repeats.
        self.memory = np.full(DEPTH if fault.kind == "delayed" else 1, np.nan)

    def read(self, truth: float, tick: int, schedule: Schedule) -> float:
        """Return the reading of the sensor in a tick. Every tick calls this, because a fault may need past readings."""
        fault = self.fault
        if fault.kind == "delayed":
            self.memory[tick % DEPTH] = truth
            past = float(self.memory[max(tick - round(fault.severity), 0) % DEPTH])
            return truth if np.isnan(past) or not fault.active(tick) else past
        if not fault.active(tick):
            self.memory[0] = truth
            return truth
        if fault.kind == "offset":
            return truth + fault.severity
        if fault.kind == "noise":
            return truth + fault.severity * float(schedule.normal(fault, tick)[0])
        repeats = tick > fault.start if fault.kind == "stuck" else schedule.uniform(fault, tick)[0] < fault.severity
        if not repeats or np.isnan(self.memory[0]):
            self.memory[0] = truth
        return float(self.memory[0])


class _Sensors:
    """Hold the broken sensors of each simulation."""

    def __init__(self, world: World) -> None:
        self._column = {name: k for k, name in enumerate(fault_targets(world).sensor)}
        self._broken: list[list[_Sensor]] = [[] for _ in range(world.count)]
        self.breakable = np.zeros(world.count, dtype=bool)  # (simulation,), whether its schedule breaks a sensor

    def mend(self, row: int, schedule: Schedule, fresh: bool = True) -> None:
        """Prepare for the faults of a new schedule; without `fresh`, keep the stored readings of the old sensors."""
        known = {sensor.fault: sensor for sensor in self._broken[row] if not fresh}
        self._broken[row] = [known.get(fault) or _Sensor(fault, self._column[fault.target])
                             for fault in schedule.faults if fault.level == "sensor"]
        self.breakable[row] = bool(self._broken[row])

    def spoil(self, reported: Float, truth: Float, rows: NDArray[np.intp], ticks: NDArray[np.int64],
              schedules: Sequence[Schedule]) -> None:
        """Overwrite the readings of broken sensors."""
        for row in rows:
            for sensor in self._broken[row]:
                tick, column = int(ticks[row]), sensor.column
                said = sensor.read(float(truth[row, column]), tick, schedules[row])
                if sensor.fault.active(tick):
                    reported[row, column] = said

    def memory(self) -> Float:
        """Copy the past."""
        kept = [sensor.memory for row in self._broken for sensor in row]
        return np.concatenate(kept) if kept else np.zeros(0)

    def recall(self, memory: Float) -> None:
        """Restore the past."""
        start = 0
        for sensor in (sensor for row in self._broken for sensor in row):
            sensor.memory[:] = memory[start:start + len(sensor.memory)]
            start += len(sensor.memory)
