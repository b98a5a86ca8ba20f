# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Find measurements in a simulation by name, and gather them into one flat vector per simulation.

A `Probe` names the field and columns of a term. A `Derived` term is computed from terms before it. Units are SI.
Positions and velocities are in the world frame. Quaternions are x, y, z, w.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.core.robot.observe import Term

Float = NDArray[np.float64]
XYZ, XYZW = ("x", "y", "z"), ("x", "y", "z", "w")
WXYZ_TO_XYZW = (1, 2, 3, 0)
COMMAND_FIELD = "command"  # a probe of this field reads the last command as a share of its range: -1 lowest, 1 highest


@dataclass(frozen=True)
class Probe:
    """Describe a term that is read without a change: columns of a field of MjData, flattened per simulation."""

    term: Term
    field: str
    columns: tuple[int, ...]


@dataclass(frozen=True)
class Derived:
    """Describe a term computed from arrays (simulation, element), which are earlier terms (by name) or probes."""

    term: Term
    inputs: tuple[str | Probe, ...]
    compute: Callable[..., Float]


Source = Probe | Derived


def find(model: mujoco.MjModel, kind: mujoco.mjtObj, name: str) -> int:
    """Return the id of a named object, or refuse the name."""
    found: int = mujoco.mj_name2id(model, kind, name)
    if found < 0:
        what = kind.name.removeprefix("mjOBJ_").lower()
        raise Refused(f"{what} {name}", f"a {what} of the model", "no such name", "correct the name")
    return found


def joint_positions(model: mujoco.MjModel, joints: Sequence[str], term: str = "joint_position",
                    unit: str = "rad") -> Probe:
    """Return a probe of the positions of hinge or slide joints."""
    places = tuple(int(model.jnt_qposadr[find(model, mujoco.mjtObj.mjOBJ_JOINT, j)]) for j in joints)
    return Probe(Term(term, unit, tuple(joints)), "qpos", places)


def joint_velocities(model: mujoco.MjModel, joints: Sequence[str], term: str = "joint_velocity",
                     unit: str = "rad/s") -> Probe:
    """Return a probe of the velocities of hinge or slide joints."""
    return Probe(Term(term, unit, tuple(joints)), "qvel", _dofs(model, joints))


def joint_efforts(model: mujoco.MjModel, joints: Sequence[str], term: str = "joint_effort",
                  unit: str = "N*m") -> Probe:
    """Return a probe of the actuators' effort on each joint (in the last substep)."""
    return Probe(Term(term, unit, tuple(joints)), "qfrc_actuator", _dofs(model, joints))


def _dofs(model: mujoco.MjModel, joints: Sequence[str]) -> tuple[int, ...]:
    return tuple(int(model.jnt_dofadr[find(model, mujoco.mjtObj.mjOBJ_JOINT, j)]) for j in joints)


def positions(model: mujoco.MjModel, term: str, kind: mujoco.mjtObj, names: Sequence[str]) -> Probe:
    """Return a probe of the positions of bodies or sites."""
    field = {mujoco.mjtObj.mjOBJ_BODY: "xpos", mujoco.mjtObj.mjOBJ_SITE: "site_xpos"}[kind]
    columns = tuple(3 * find(model, kind, name) + k for name in names for k in range(3))
    return Probe(Term(term, "m", labels(names, XYZ)), field, columns)


def orientations(model: mujoco.MjModel, term: str, bodies: Sequence[str]) -> Probe:
    """Return a probe of the orientations of bodies as quaternions x, y, z, w."""
    columns = tuple(4 * find(model, mujoco.mjtObj.mjOBJ_BODY, name) + k for name in bodies for k in WXYZ_TO_XYZW)
    return Probe(Term(term, "1", labels(bodies, XYZW)), "xquat", columns)


def sensors(model: mujoco.MjModel, term: str, unit: str, names: Mapping[str, str],
            elements: Sequence[str] = XYZ, first: int = 0) -> Probe:
    """Return a probe of sensors of the model, given as {label: sensor}, from their `first` value on."""
    starts = [int(model.sensor_adr[find(model, mujoco.mjtObj.mjOBJ_SENSOR, s)]) + first for s in names.values()]
    columns = tuple(start + k for start in starts for k in range(len(elements)))
    return Probe(Term(term, unit, labels(tuple(names), elements)), "sensordata", columns)


def labels(names: Sequence[str], elements: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of the elements of several objects: `object.x`."""
    return tuple(f"{name}.{element}" for name in names for element in elements)


def terms_of(sources: Sequence[Source]) -> tuple[Term, ...]:
    """Return the terms of sources. Refuse two terms of one name."""
    names = [source.term.name for source in sources]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise Refused("terms", "distinct names", f"{twice} twice", "rename one")
    return tuple(source.term for source in sources)


class Signals:
    """Gather the terms of many simulations into one array (simulation, signal)."""

    def __init__(self, sources: Sequence[Source], fields: Callable[[str], NDArray[Any]]) -> None:
        self.slices: dict[str, slice] = {}
        start = 0
        for term in terms_of(sources):
            self.slices[term.name] = slice(start, start + len(term.elements))
            start += len(term.elements)
        self.size = start
        self._fields = fields
        self._gathers = _merged([s for s in sources if isinstance(s, Probe)], self.slices)
        self._derived = [s for s in sources if isinstance(s, Derived)]
        for source in sources:
            for probe in (source,) if isinstance(source, Probe) else source.inputs:
                if isinstance(probe, Probe):
                    fields(probe.field)  # bind the field now, because a field that is bound after a step is empty

    def fill(self, out: Float, ids: NDArray[np.intp] | None = None) -> None:
        """Write the terms of all or some simulations into their rows of `out`."""
        rows = out if ids is None else np.empty((len(ids), self.size))
        for field, columns, places in self._gathers:
            rows[:, places] = self._gather(field, columns, ids)
        for source in self._derived:
            inputs = [rows[:, self.slices[of]] if isinstance(of, str) else self._gather(of.field, of.columns, ids)
                      for of in source.inputs]
            rows[:, self.slices[source.term.name]] = source.compute(*inputs)
        if ids is not None:
            out[ids] = rows

    def _gather(self, field: str, columns: Sequence[int] | NDArray[np.intp], ids: NDArray[np.intp] | None) -> Float:
        live = self._fields(field)
        live = live if live.ndim == 2 else live.reshape(len(live), -1)
        return np.take(live if ids is None else live[ids], columns, axis=1)


def _merged(probes: Sequence[Probe], slices: Mapping[str, slice]) -> list[tuple[str, NDArray[np.intp], slice]]:
    """Return the probes with neighbours of one field joined, so that one call gathers a field."""
    merged: list[tuple[str, list[int], slice]] = []
    for probe in probes:
        place = slices[probe.term.name]
        if merged and merged[-1][0] == probe.field and merged[-1][2].stop == place.start:
            field, columns, before = merged.pop()
            merged.append((field, [*columns, *probe.columns], slice(before.start, place.stop)))
        else:
            merged.append((probe.field, list(probe.columns), place))
    return [(field, np.array(columns, dtype=np.intp), place) for field, columns, place in merged]
