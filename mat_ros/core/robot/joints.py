# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Describe joints by name: units, limits, the map from actions to commands, and the map to other hardware."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.core.plain import number

Float = NDArray[np.float64]

UNITS: Mapping[str, tuple[str, ...]] = {"position": ("rad", "m"), "velocity": ("rad/s", "m/s"), "effort": ("N*m", "N")}
FALLBACKS = ("hold", "zero", "default")
MAP_FIELDS = ("of", "joints")  # of an entry of a robot file's `hardware`
ROW_FIELDS = {"of", "offset"}  # of a hardware joint
WEIGHTS = 1e9  # greatest weight and offset of a joint map


@dataclass(frozen=True)
class Joint:
    """Describe one actuated joint: the meaning of its commands and their limits.

    A policy acts in its own units, nominally [-1, 1]. The command is ``offset + scale * action`` in `unit`.
    """

    name: str  # name of the joint in the world
    quantity: Literal["position", "velocity", "effort"]  # the quantity that a command sets
    unit: str  # unit of the command: rad or m of a position, rad/s or m/s of a velocity, N*m or N of an effort
    lower: float  # least command, in unit
    upper: float  # greatest command, in unit
    rate: float  # greatest change of the command per second, in unit/s; inf: no limit
    effort: float  # greatest effort of the actuator, in N*m or N; inf where unknown
    scale: float  # command per unit of action, in unit
    offset: float  # command at action zero, in unit
    default: float  # command at rest, in unit
    fallback: Literal["hold", "zero", "default"]  # where the joint goes when no node decides for it
    stiffness: float = 0.0  # stiffness of the position servo, N*m/rad or N/m; 0: unknown, no effort check

    def __post_init__(self) -> None:
        """Refuse a joint whose numbers contradict each other."""
        if self.quantity not in UNITS or self.unit not in UNITS[self.quantity]:
            self._refuse("unit", UNITS.get(self.quantity, tuple(UNITS)), f"{self.quantity} in {self.unit}")
        numbers = (self.lower, self.upper, self.scale, self.offset, self.default, self.stiffness)
        if not all(math.isfinite(x) for x in numbers):
            self._refuse("limits, scale, offset, default, stiffness", "finite numbers", numbers)
        if not self.lower < self.upper:
            self._refuse("limits", "lower < upper", f"{self.lower} and {self.upper}")
        if not self.lower <= self.default <= self.upper:
            self._refuse("default", f"a value in [{self.lower}, {self.upper}]", self.default)
        for field in ("rate", "effort"):
            if not getattr(self, field) > 0.0:
                self._refuse(field, "a positive number", getattr(self, field))
        if self.stiffness < 0.0:
            self._refuse("stiffness", "zero (unknown) or a positive number", self.stiffness)
        if self.scale == 0.0:
            self._refuse("scale", "a number other than zero", self.scale)
        if self.fallback not in FALLBACKS:
            self._refuse("fallback", FALLBACKS, self.fallback)
        if self.fallback == "hold" and self.quantity != "position":  # the last speed or effort would act for ever
            self._refuse("fallback", f"zero or default for a joint that is commanded in {self.unit}", "hold")
        if self.fallback == "zero" and not self.lower <= 0.0 <= self.upper:
            self._refuse("fallback", f"a command in [{self.lower}, {self.upper}]", "zero")

    def _refuse(self, field: str, expected: object, got: object) -> None:
        raise Refused(f"joint {self.name}, {field}", expected, got, "correct the robot description")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Joint:
        """Return the joint of plain values, as read from YAML."""
        known = {f.name for f in dataclasses.fields(cls)}
        required = {f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING}
        if unknown := sorted(map(str, set(data) - known)):
            raise Refused(f"joint {data.get('name', '?')}", f"fields {sorted(known)}", unknown, "remove or rename them")
        if absent := sorted(required - set(data)):
            raise Refused(f"joint {data.get('name', '?')}", f"fields {sorted(required)}", f"no {absent}", "add them")
        text = ("name", "quantity", "unit", "fallback")
        values: dict[str, Any] = {k: str(v) if k in text else cls._number(str(data["name"]), k, v)
                                  for k, v in data.items()}
        return cls(**values)

    @staticmethod
    def _number(joint: str, field: str, value: Any) -> float:
        return number(value, f"joint {joint}, {field}", "correct the robot description")

    def to_dict(self) -> dict[str, Any]:
        """Return the joint as plain values. `from_dict` restores an equal joint."""
        return dataclasses.asdict(self)


class ActionMap:
    """Map the actions of agents to one command per joint, and back.

    Agents may have different numbers of joints. The actions are padded to the widest agent; padding moves no joint.
    """

    def __init__(self, joints: Sequence[Joint], agents: Sequence[Sequence[str]]) -> None:
        place = {joint.name: k for k, joint in enumerate(joints)}
        if len(place) != len(joints):
            raise Refused("joints", "distinct names", [j.name for j in joints], "rename the repeated one")
        named = [name for agent in agents for name in agent]
        if sorted(named) != sorted(place):
            wrong = sorted(set(named) ^ set(place)) or sorted(n for n in set(named) if named.count(n) > 1)
            raise Refused("agents", "each joint in exactly one agent", f"trouble with {wrong}", "correct the split")
        self.joint_names = tuple(place)
        self.act_dim = max(len(agent) for agent in agents)
        self.mask = np.array([[k < len(agent) for k in range(self.act_dim)] for agent in agents])  # (agent, act_dim)
        self._agent = np.array([i for i, agent in enumerate(agents) for _ in agent])
        self._column = np.array([k for agent in agents for k in range(len(agent))])
        order = np.array([place[name] for name in named])
        self._agent, self._column = self._agent[np.argsort(order)], self._column[np.argsort(order)]
        self.slot_of_joint, self.column_of_joint = self._agent, self._column  # (joint,)
        self.lower = np.array([j.lower for j in joints])  # (joint,)
        self.upper = np.array([j.upper for j in joints])
        self.scale = np.array([j.scale for j in joints])
        self.offset = np.array([j.offset for j in joints])

    def to_command(self, actions: NDArray[Any]) -> Float:
        """Return the commands (..., joint) for actions (..., agent, act_dim), in each joint's unit and limits.

        An action that is not finite becomes NaN. Clipping would turn an infinite action into a valid command.
        """
        command: Float = actions[..., self._agent, self._column] * self.scale + self.offset
        return np.where(np.isfinite(command), np.clip(command, self.lower, self.upper), np.nan)

    def to_actions(self, command: NDArray[Any]) -> Float:
        """Return the actions (..., agent, act_dim) for commands (..., joint); padding is zero."""
        actions = np.zeros((*command.shape[:-1], *self.mask.shape))
        actions[..., self._agent, self._column] = (command - self.offset) / self.scale
        return actions


@dataclass(frozen=True)
class JointMap:
    """Map the policy's joints to the joints of hardware with other names, signs, couplings or offsets.

    ``hardware = matrix @ policy + offset``. The matrix describes hardware joints that are the sum of two policy joints
    (the Shadow Hand's J0 = J1 + J2) or that follow another joint. The way back is the least-squares inverse. The
    inverse is exact for every motion that the policy can actuate.
    """

    policy: tuple[str, ...]
    hardware: tuple[str, ...]
    matrix: Float  # (hardware, policy)
    offset: Float  # (hardware,)

    def __post_init__(self) -> None:
        """Refuse a map of the wrong shape, or a map without a way back for every policy joint."""
        if self.matrix.shape != (len(self.hardware), len(self.policy)) or self.offset.shape != (len(self.hardware),):
            raise Refused("joint map", f"a matrix of {len(self.hardware)} x {len(self.policy)}", self.matrix.shape,
                          "give one row per hardware joint and one column per policy joint")
        for name, *numbers in zip(self.hardware, self.matrix, self.offset, strict=True):
            if not all((np.abs(number) <= WEIGHTS).all() for number in numbers):  # also refuses a NaN
                raise Refused(f"hardware joint {name}", f"finite weights and a finite offset, up to {WEIGHTS:g}",
                              numbers, "correct the joint map")
        if not self.hardware or np.linalg.matrix_rank(self.matrix) < len(self.policy):
            lost = [name for k, name in enumerate(self.policy) if not self.matrix[:, k].any()]
            raise Refused("joint map", "a way back for every policy joint", f"none for {lost or 'some mixture'}",
                          "map each policy joint to a hardware joint of its own")

    @classmethod
    def of_hardware(cls, name: str, policy: Sequence[str], section: Mapping[str, Any]) -> JointMap:
        """Return the map of an entry of a robot file's `hardware`; `of` restricts and orders the policy's joints."""
        of = section.get("of", policy)
        if not isinstance(of, Sequence) or isinstance(of, str) or not all(isinstance(joint, str) for joint in of):
            raise Refused(f"hardware {name}, of", "a list of joints", of, "write it as [elbow, wrist]")
        if "joints" not in section:
            raise Refused(f"hardware {name}", "the field joints beside of", "none",
                          "write it as {joints: {motor_1: {of: elbow}}}")
        return cls.from_dict(of, section["joints"])

    @classmethod
    def from_dict(cls, policy: Sequence[str], rows: Mapping[str, Mapping[str, Any]]) -> JointMap:
        """Return the map of rows like ``rh_FFJ3: {of: {FFJ2: 1.0}, offset: 0.0}``; a name alone is ``{name: 1.0}``."""
        if not isinstance(rows, Mapping) or not all(isinstance(row, Mapping) and "of" in row and set(row) <= ROW_FIELDS
                                                    for row in rows.values()):
            raise Refused("joint map", "rows like rh_FFJ3: {of: {FFJ2: 1.0}, offset: 0.0}", rows, "write it so")
        matrix, offset = np.zeros((len(rows), len(policy))), np.zeros(len(rows))
        column = {name: k for k, name in enumerate(policy)}
        for i, (hardware, row) in enumerate(rows.items()):
            of = {row["of"]: 1.0} if isinstance(row["of"], str) else row["of"]
            if not isinstance(of, Mapping):
                raise Refused(f"hardware joint {hardware}", "a joint, or weights by joint", of, "correct the joint map")
            for name, weight in of.items():
                if name not in column:
                    raise Refused(f"hardware joint {hardware}", f"one of {list(policy)}", name, "correct the joint map")
                matrix[i, column[name]] = cls._number(hardware, weight)
            offset[i] = cls._number(hardware, row.get("offset", 0.0))
        return cls(tuple(policy), tuple(rows), matrix, offset)

    @staticmethod
    def _number(hardware: str, value: Any) -> float:
        return number(value, f"hardware joint {hardware}", "correct the joint map")

    def to_hardware(self, policy: NDArray[Any]) -> Float:
        """Return the hardware's values (..., hardware joint) for the policy's (..., policy joint)."""
        return policy @ self.matrix.T + self.offset

    def to_policy(self, hardware: NDArray[Any]) -> Float:
        """Return the policy's values (..., policy joint) for the hardware's (..., hardware joint)."""
        return (hardware - self.offset) @ self._inverse.T

    @cached_property
    def _inverse(self) -> Float:
        return np.asarray(np.linalg.pinv(self.matrix), dtype=np.float64)
