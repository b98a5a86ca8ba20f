# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Declare an option once for `--help`, ROS parameter descriptors, launch arguments and the reference page."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from mat_ros.core.errors import Refused

T = TypeVar("T")
Value = bool | int | float | str


@dataclass(frozen=True)
class Option:
    """Describe one named setting. The type of the default is the type of the option."""

    name: str
    default: Value
    description: str
    lower: float = -math.inf  # least value of a number
    upper: float = math.inf  # greatest value of a number
    choices: tuple[str, ...] = ()  # the possible values of a text; empty: any

    @property
    def range(self) -> str:
        """Return the possible values in words."""
        if self.choices:
            return " | ".join(self.choices)
        if isinstance(self.default, bool):
            return "true | false"
        if isinstance(self.default, str):
            return "text"
        return f"[{self.lower:g}, {self.upper:g}]"

    def read(self, value: object) -> Value:
        """Return a value of YAML, ROS or a command line in the option's type. Refuse a value that does not fit."""
        kind = type(self.default)
        try:
            if kind is bool:
                found: Value = {"true": True, "false": False}[str(value).lower()]
            elif kind is str:
                found = str(value)
            else:
                number = float(str(value))
                found = int(number) if kind is int else number
                if found != number and not math.isnan(number):
                    raise ValueError("not a whole number")
        except (KeyError, TypeError, ValueError, OverflowError):
            self.refuse(value)
        if self.choices and found not in self.choices:
            self.refuse(value)
        if isinstance(found, (int, float)) and not isinstance(found, bool) and not self.lower <= found <= self.upper:
            self.refuse(value)  # this also refuses a NaN
        return found

    def refuse(self, value: object) -> None:
        """Raise the refusal of a value, with the possible values."""
        kind = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[type(self.default)]
        raise Refused(f"option {self.name}", f"{kind} in {self.range}", repr(value), "set it to one of these")


def option(
    default: Value, description: str, lower: float = -math.inf, upper: float = math.inf, choices: tuple[str, ...] = ()
) -> Any:
    """Return a field of a settings dataclass that is an option."""
    return dataclasses.field(default=default, metadata={"option": (description, lower, upper, choices)})


def options(settings: type) -> tuple[Option, ...]:
    """Return the options of a settings dataclass."""
    fields = [f for f in dataclasses.fields(settings) if "option" in f.metadata]
    return tuple(Option(f.name, f.default, *f.metadata["option"]) for f in fields)  # type: ignore[arg-type]


def read(settings: type[T], values: Mapping[str, object]) -> T:
    """Return the settings of named values. Unknown names and values out of range are refused."""
    known = {o.name: o for o in options(settings)}
    if unknown := sorted(set(values) - set(known)):
        raise Refused(settings.__name__, f"the options {sorted(known)}", unknown, "remove or rename them")
    return settings(**{name: known[name].read(value) for name, value in values.items()})
