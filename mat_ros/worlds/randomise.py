# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Vary physics, readings and commands according to a table, so that a policy is trained in more than one world.

A row of the table names the quantity, the objects (a shell pattern over names), the time of a draw (once at startup, at
each reset, or at an interval), how the drawn value changes the nominal one (absolute, add, scale), and the
distribution. Draws are keyed by (seed, row, simulation, draw), so a table and a seed make the same worlds everywhere.

The sensors of a simulation are read once per tick. Where an episode begins within a tick, its first readings are drawn
from a stream of their own. The readings of the other simulations therefore stay the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

import mujoco
import numpy as np
from numpy.typing import NDArray

from mat_ros.core import randomness
from mat_ros.core.errors import Refused
from mat_ros.core.plain import read_yaml_file
from mat_ros.worlds.batch import MujocoWorld
from mat_ros.worlds.world import World

Float = NDArray[np.float64]
OBJECT = mujoco.mjtObj
EVERYBODY = slice(None)  # rows: all simulations


@dataclass(frozen=True)
class Quantity:
    """Describe a property of the model that can be varied: its fields of MjModel, and the objects that have it."""

    fields: tuple[str, ...]
    kind: mujoco.mjtObj | None  # kind of object whose names the pattern selects; None: the whole model has one value
    column: int | None = None  # column of the field; None: all columns
    settles: bool = False  # whether a change requires that derived quantities are computed again


PHYSICS: Mapping[str, Quantity] = {
    "friction": Quantity(("geom_friction",), OBJECT.mjOBJ_GEOM, 0),  # sliding
    "size": Quantity(("geom_size",), OBJECT.mjOBJ_GEOM),
    "mass": Quantity(("body_mass", "body_inertia"), OBJECT.mjOBJ_BODY, settles=True),
    "damping": Quantity(("dof_damping",), OBJECT.mjOBJ_JOINT),
    "armature": Quantity(("dof_armature",), OBJECT.mjOBJ_JOINT, settles=True),
    "stiffness": Quantity(("actuator_gainprm", "actuator_biasprm"), OBJECT.mjOBJ_ACTUATOR),  # position servos
    "strength": Quantity(("actuator_forcerange",), OBJECT.mjOBJ_ACTUATOR),
    "gravity": Quantity(("opt.gravity",), None, 2),  # m/s^2, along z
}
DELAYS = ("observation_delay", "command_delay")  # ticks
NOISES = ("observation", "command")  # noise in the unit of the term or joint
SIGNALS = (*NOISES, *DELAYS)
WHENS, HOWS, DISTRIBUTIONS = ("startup", "reset", "interval"), ("absolute", "add", "scale"), ("uniform", "loguniform",
                                                                                               "normal")


@dataclass(frozen=True)
class Variation:
    """Describe one row of the table."""

    what: str  # one of PHYSICS or SIGNALS
    how: str
    distribution: str
    range: tuple[float, float]  # smallest and largest value; for `normal`, mean and standard deviation
    when: str = "reset"
    of: str = "*"  # pattern over names of geoms, bodies, joints or actuators; over names of terms for observations
    every_s: float = 1.0  # s, length of an interval

    def __post_init__(self) -> None:
        """Refuse a row with an unknown word or an impossible range."""
        for label, got, known in (("what", self.what, (*PHYSICS, *SIGNALS)), ("when", self.when, WHENS),
                                  ("how", self.how, HOWS), ("distribution", self.distribution, DISTRIBUTIONS)):
            if got not in known:
                raise Refused(f"randomisation, {label}", f"one of {known}", got, "correct the table")
        if not isinstance(self.of, str):
            raise Refused("randomisation, of", "a pattern of names", self.of, "correct the table")
        if not isinstance(self.every_s, int | float) or not 0.0 < self.every_s < math.inf:
            raise Refused("randomisation, every_s", "a positive number of seconds", self.every_s, "correct the table")
        low, high = self.range
        if not (math.isfinite(low) and math.isfinite(high)):
            raise Refused(f"randomisation of {self.what}, range", "finite numbers", self.range, "correct the table")
        if (self.distribution != "normal" and low > high) or (self.distribution == "loguniform" and low <= 0.0):
            raise Refused(f"randomisation of {self.what}, range", "least <= greatest, positive where loguniform",
                          self.range, "correct the table")
        if self.what in DELAYS and (self.distribution == "normal" or low < 0.0):
            raise Refused(f"randomisation of {self.what}", "a uniform or loguniform number of ticks from 0 up",
                          (self.distribution, self.range), "correct the table")

    def draw(self, key: int, number: int, size: int) -> Float:
        """Return `size` drawn values; `number` counts the draws of this row in this simulation."""
        low, high = self.range
        if self.distribution == "normal":
            return low + high * randomness.normal(key, number, size)
        u = randomness.uniform(key, number, size)
        return low * (high / low) ** u if self.distribution == "loguniform" else low + u * (high - low)

    def meet(self, nominal: Any, drawn: Any) -> Any:
        """Return the nominal value changed by a drawn value."""
        return {"absolute": drawn, "add": nominal + drawn, "scale": nominal * drawn}[self.how]


def load_table(path: Path) -> tuple[Variation, ...]:
    """Read a table from YAML: a list of rows."""
    rows = read_yaml_file(path, "randomisation table")
    try:
        return tuple(Variation(**{**row, "range": (float(row["range"][0]), float(row["range"][1]))}) for row in rows)
    except (TypeError, KeyError, IndexError, ValueError, OverflowError) as error:
        raise Refused(f"randomisation table {path}", "a list of rows with what, how, distribution and range", error,
                      "correct the file") from error


class Randomiser:
    """Vary the simulations of a world. The code that steps the world calls this class; the world never does.

    With an empty table, readings and commands pass unchanged, and the state is empty.
    """

    def __init__(self, world: World, table: Sequence[Variation], seed: int) -> None:
        if not isinstance(world, MujocoWorld) and (physics := sorted({row.what for row in table} & set(PHYSICS))):
            raise Refused("randomisation", f"some of {SIGNALS}, since {type(world).__name__} is no world of MuJoCo",
                          physics, "correct the table")
        self.world = cast("Any", world)  # the rows in PHYSICS vary the model of a MujocoWorld
        self.table = tuple(table)
        self._seed = seed
        self._draws = np.zeros((len(table), world.count), dtype=np.int64)
        self._targets = [self._find(row) for row in self.table]
        self._noise = {what: [k for k, row in enumerate(self.table) if row.what == what] for what in NOISES}
        self._nominal = {name: self.world.vary(name).copy() for row in self.table if row.what in PHYSICS
                         for name in PHYSICS[row.what].fields}
        late = [row for row in self.table if row.what in DELAYS]
        longest = max((round(row.range[1]) for row in late), default=0)
        widths = dict(zip(DELAYS, (world.measure().shape[1], len(world.joint_names)), strict=True))
        self._delays = {row.what: np.zeros(world.count, dtype=np.int64) for row in late}  # ticks
        self._past = {row.what: np.zeros((longest + 1, world.count, widths[row.what])) for row in late}
        self._vary([k for k, row in enumerate(self.table) if row.when == "startup"], np.arange(world.count))

    def begin(self, rows: NDArray[np.intp]) -> None:
        """Draw new values for simulations that start an episode; call this before the world is reset."""
        self._vary([k for k, row in enumerate(self.table) if row.when != "startup"], rows)

    def arrive(self, rows: NDArray[np.intp]) -> None:
        """Fill the stored past of simulations that have just been reset, from which a delay reads its first values."""
        for what, past in self._past.items():
            past[:, rows] = self.world.measure()[rows] if what == "observation_delay" else 0.0

    def command(self, command: Float) -> Float:
        """Return the command with noise and delay, (simulation, joint)."""
        changing = [k for k, row in enumerate(self.table) if row.when == "interval" and row.what in PHYSICS]
        for k in changing:
            period = max(1, round(self.table[k].every_s * 1e9 / self.world.control_period_ns))
            due = np.flatnonzero((self.world.ticks % period == 0) & (self.world.ticks > 0))
            self._vary([k], due)
        return self._tick("command", command)

    def readings(self, signals: Float) -> Float:
        """Return the readings of a tick with noise and delay, (simulation, signal); call this once per tick."""
        return self._tick("observation", signals)

    def first_readings(self, signals: Float, rows: NDArray[np.intp]) -> Float:
        """Return the first readings, (row, signal), of episodes that began in `rows` after the tick was read."""
        # No tick draws from the stream "/begun", so the noise of the other simulations does not change.
        noisy = self._noisy("observation", signals, rows, "/begun")
        return self._late("observation_delay", noisy, rows)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return a copy of what the next draw depends on; the world's state contains the varied parameters."""
        return {name: values.copy() for name, values in self._memory().items()}

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore a state, so that the next draws have the same bits as those after `state()`."""
        for name, values in self._memory().items():
            values[:] = state[name]

    def _memory(self) -> dict[str, NDArray[Any]]:
        """Return the live arrays that the next draw and the next delayed value depend on, by their name in a state."""
        found = {"randomiser/draws": self._draws,
                 **{f"randomiser/{name}": values for name, values in self._delays.items()},
                 **{f"randomiser/past_{name}": values for name, values in self._past.items()}}
        return {name: values for name, values in found.items() if values.size}

    def _find(self, row: Variation) -> NDArray[np.intp]:
        """Return the places that a row's pattern selects: elements of the model's fields, or columns of the signals."""
        if row.what == "observation":
            ends = np.cumsum([0, *(len(term.elements) for term in self.world.terms)])
            found = [np.arange(ends[k], ends[k + 1]) for k, term in enumerate(self.world.terms)
                     if fnmatchcase(term.name, row.of)]
            places = np.concatenate(found) if found else np.zeros(0, np.intp)
        elif row.what in SIGNALS or PHYSICS[row.what].kind is None:
            return np.arange(len(self.world.joint_names) if row.what == "command" else 1)
        else:
            kind = PHYSICS[row.what].kind
            counts = {OBJECT.mjOBJ_GEOM: self.world.model.ngeom, OBJECT.mjOBJ_BODY: self.world.model.nbody,
                      OBJECT.mjOBJ_JOINT: self.world.model.njnt, OBJECT.mjOBJ_ACTUATOR: self.world.model.nu}
            names = [mujoco.mj_id2name(self.world.model, kind, k) or "" for k in range(counts[kind])]
            places = np.array([k for k, name in enumerate(names) if fnmatchcase(name, row.of)], dtype=np.intp)
            if kind == OBJECT.mjOBJ_JOINT:  # the damping of joints is stored by degree of freedom
                owner = self.world.model.dof_jntid
                places = np.flatnonzero(np.isin(owner, places))
        if not len(places):
            raise Refused(f"randomisation of {row.what}", "a pattern that selects at least one name", row.of,
                          "correct the table")
        return places

    def _vary(self, chosen: Sequence[int], simulations: NDArray[np.intp]) -> None:
        settle = False
        for k in chosen:
            row = self.table[k]
            if row.what in NOISES or not len(simulations):
                continue
            for simulation in simulations:
                key = randomness.stream(self._seed, f"{k}/{row.what}/{row.of}/{simulation}")
                drawn = row.draw(key, int(self._draws[k, simulation]), len(self._targets[k]))
                self._draws[k, simulation] += 1
                if row.what in self._delays:
                    self._delays[row.what][simulation] = max(0, round(float(drawn[0])))
                else:
                    self._write(row, self._targets[k], int(simulation), drawn)
            settle |= row.what in PHYSICS and PHYSICS[row.what].settles
        if settle:
            self.world.settle_parameters(simulations)

    def _write(self, row: Variation, places: NDArray[np.intp], simulation: int, drawn: Float) -> None:
        quantity = PHYSICS[row.what]
        if row.what == "stiffness":  # force = gain * target - gain * position
            gain, bias = (self.world.vary(name)[simulation] for name in quantity.fields)
            stiffness = row.meet(self._nominal["actuator_gainprm"][simulation, places, 0], drawn)
            gain[places, 0], bias[places, 1] = stiffness, -stiffness
            return
        for name in quantity.fields:
            live, nominal = self.world.vary(name)[simulation], self._nominal[name][simulation]
            if quantity.kind is None:
                live[quantity.column] = row.meet(nominal[quantity.column], drawn[0])
            elif quantity.column is not None:
                live[places, quantity.column] = row.meet(nominal[places, quantity.column], drawn)
            else:
                wide = drawn.reshape(-1, *(1,) * (live.ndim - 1))
                live[places] = row.meet(nominal[places], wide)

    def _tick(self, what: str, values: Float) -> Float:
        """Return the values of a tick with noise and delay, (simulation, value), and count the draw."""
        noisy = self._noisy(what, values, EVERYBODY)
        self._draws[self._noise[what]] += 1
        return self._late(f"{what}_delay", noisy, EVERYBODY)

    def _noisy(self, what: str, values: Float, rows: NDArray[np.intp] | slice, stream: str = "") -> Float:
        """Return the values of `rows`, (row, value), with noise."""
        for k in self._noise[what]:
            row, places = self.table[k], self._targets[k]
            key = randomness.stream(self._seed, f"{k}/{what}/{row.of}{stream}")
            drawn = row.draw(key, int(self._draws[k, 0]), self.world.count * len(places))
            values = values.copy()
            values[:, places] = row.meet(values[:, places], drawn.reshape(self.world.count, -1)[rows])
        return values

    def _late(self, what: str, values: Float, rows: NDArray[np.intp] | slice) -> Float:
        """Store the values of `rows`, (row, value), and return the stored values that are one delay of the row old."""
        if what not in self._past:
            return values
        past, simulations = self._past[what], np.arange(self.world.count)[rows]
        past[1:, rows] = past[:-1, rows].copy()
        past[0, rows] = values
        late: Float = past[self._delays[what][simulations], simulations]
        return late
