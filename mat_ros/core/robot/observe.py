# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Build the joint observation (agent, obs_dim) from named measurements. Training and the robot use the same code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused


@dataclass(frozen=True)
class Term:
    """Describe a block of measurements: its name, its unit, and the name of each element."""

    name: str
    unit: str  # "rad", "m/s", "N*m", "1" for numbers without a unit, ...
    elements: tuple[str, ...]  # joint names, "x", "y", "z", ...


@dataclass(frozen=True)
class Part:
    """Select elements of one term for one agent. The agent receives ``scale * measured + bias``."""

    term: str
    elements: tuple[str, ...] = ()  # empty: all elements of the term
    scale: float = 1.0
    bias: float = 0.0


@dataclass(frozen=True)
class View:
    """List the parts of one agent's observation, in order."""

    agent: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Layout:
    """Describe the observation of each agent. Shorter observations are padded with zeros at the end.

    The last columns of an observation are a one-hot agent id where `agent_id` is set.
    """

    terms: tuple[Term, ...]  # the order of the measurement vector
    views: tuple[View, ...]  # one per agent, in chain order
    clip: float = float("inf")  # observations are clipped to [-clip, clip]
    agent_id: bool = False

    @property
    def signal_count(self) -> int:
        """Return the number of values in the measurement vector."""
        return sum(len(term.elements) for term in self.terms)

    def places(self, term: str, elements: Sequence[str]) -> NDArray[np.intp]:
        """Return the place of each element of a term in the measurement vector, -1 where it is not measured."""
        place = _places(self.terms)
        return np.array([place.get((term, element), -1) for element in elements], dtype=np.intp)

    def to_dict(self) -> dict[str, Any]:
        """Return the layout as plain values. `from_dict` restores an equal layout."""
        return {
            "clip": self.clip,
            "agent_id": self.agent_id,
            "terms": [{"name": t.name, "unit": t.unit, "elements": list(t.elements)} for t in self.terms],
            "views": [{"agent": v.agent, "parts": [_part_to_dict(p) for p in v.parts]} for v in self.views],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Layout:
        """Return the layout of plain values, as read from YAML."""
        try:
            terms = tuple(Term(str(t["name"]), str(t["unit"]), tuple(map(str, t["elements"]))) for t in data["terms"])
            views = tuple(View(str(v["agent"]), tuple(_part_from_dict(p) for p in v["parts"])) for v in data["views"])
            return cls(terms, views, float(data["clip"]), bool(data["agent_id"]))
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise Refused("observation layout", "terms, views, clip and agent_id", f"trouble with {error}",
                          "write it as the reference page of the bundle shows") from error

    def check(self, measured: Sequence[Term]) -> None:
        """Refuse a robot that does not measure exactly these terms, in these units and this order of elements."""
        offered = {term.name: term for term in measured}
        for term in self.terms:
            if term.name not in offered:
                raise Refused("observation", f"the term {term.name}", f"only {sorted(offered)}",
                              "choose a policy trained on what this robot measures")
            if offered[term.name] != term:
                raise Refused(f"observation term {term.name}", f"{list(term.elements)} in {term.unit}",
                              f"{list(offered[term.name].elements)} in {offered[term.name].unit}",
                              "correct the robot's names and units")

    def pack(self, measured: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Return the measurement vector (..., signal) of measurements by term name."""
        if absent := [term.name for term in self.terms if term.name not in measured]:
            raise Refused("measurements", f"the terms {[t.name for t in self.terms]}", f"no {absent}",
                          "connect the sensors that give them")
        return np.concatenate([np.asarray(measured[t.name], dtype=np.float64) for t in self.terms], axis=-1)


def _part_to_dict(part: Part) -> dict[str, Any]:
    return {"term": part.term, "elements": list(part.elements), "scale": part.scale, "bias": part.bias}


def _part_from_dict(data: Mapping[str, Any]) -> Part:
    elements = tuple(map(str, data.get("elements", ())))
    return Part(str(data["term"]), elements, float(data.get("scale", 1.0)), float(data.get("bias", 0.0)))


class Observer:
    """Compute observations of a layout. Names are resolved to places once, so that each tick is one gather."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._place = _places(layout.terms)
        rows = [self._columns(view) for view in layout.views]
        n, seen = len(rows), max(map(len, rows))
        self.signal_count = layout.signal_count
        self.obs_dim = seen + (n if layout.agent_id else 0)
        self.measured = np.zeros((n, self.obs_dim), dtype=bool)  # False in padding and ids
        # Column k of agent i is scale[i, k] * signals[index[i, k]] + bias[i, k] where it is measured, else bias[i, k].
        self.index = np.zeros((n, self.obs_dim), dtype=np.intp)
        self.scale, self.bias = np.zeros((2, n, self.obs_dim))
        for i, row in enumerate(rows):
            for k, (place, part) in enumerate(row):
                self.index[i, k], self.scale[i, k], self.bias[i, k] = place, part.scale, part.bias
                self.measured[i, k] = True
            if layout.agent_id:
                self.bias[i, seen + i] = 1.0
        self._padding = np.flatnonzero(~self.measured)  # places in the flat observation that hold no measurement
        self._padded = self.bias.reshape(-1)[self._padding]

    def _columns(self, view: View) -> list[tuple[int, Part]]:
        elements = {term.name: term.elements for term in self.layout.terms}
        columns = []
        for part in view.parts:
            if part.term not in elements:
                raise Refused(f"view of {view.agent}", f"one of the terms {sorted(elements)}", part.term,
                              "correct the observation layout")
            columns += [(self.where(part.term, name), part) for name in part.elements or elements[part.term]]
        return columns

    def where(self, term: str, element: str) -> int:
        """Return the place of a named measurement in the measurement vector."""
        if (term, element) not in self._place:
            raise Refused(f"term {term}", f"one of {sorted(e for t, e in self._place if t == term)}", element,
                          "ask for a measured element")
        return self._place[term, element]

    def observe(self, signals: NDArray[Any]) -> NDArray[np.float32]:
        """Return the observations (..., agent, obs_dim) of measurements (..., signal)."""
        if signals.shape[-1] != self.signal_count:
            raise Refused("measurements", f"{self.signal_count} values", signals.shape[-1],
                          "check that the robot measures the terms of the layout")
        seen = np.take(signals, self.index, axis=-1)
        seen *= self.scale
        seen += self.bias
        # The NaN of a broken sensor must not reach a column without a measurement.
        seen.reshape(*seen.shape[:-2], self.index.size)[..., self._padding] = self._padded
        observation: NDArray[np.float32] = np.clip(seen, -self.layout.clip, self.layout.clip).astype(np.float32)
        return observation


def _places(terms: Sequence[Term]) -> dict[tuple[str, str], int]:
    place: dict[tuple[str, str], int] = {}
    for term in terms:
        for element in term.elements:
            if (term.name, element) in place:
                raise Refused(f"term {term.name}", "distinct elements", element, "rename the repeated one")
            place[term.name, element] = len(place)
    return place


class Columns:
    """Select the terms of a policy from the longer measurement vector of a robot, in the policy's order."""

    def __init__(self, wanted: tuple[Term, ...], offered: tuple[Term, ...]) -> None:
        places: dict[tuple[str, str], int] = {}
        units: Mapping[str, str] = {term.name: term.unit for term in offered}
        for term in offered:
            for element in term.elements:
                places[term.name, element] = len(places)
        for term in wanted:
            if units.get(term.name) != term.unit:
                raise Refused(f"measured term {term.name}", f"a robot that measures it in {term.unit}",
                              units.get(term.name, f"only {sorted(units)}"), "choose the robot of the policy")
            if absent := [element for element in term.elements if (term.name, element) not in places]:
                raise Refused(f"measured term {term.name}", f"the elements {list(term.elements)}", f"no {absent}",
                              "correct the robot's names")
        self.places = np.array([places[term.name, element] for term in wanted for element in term.elements])

    def take(self, signals: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the policy's signals (..., signal) as float32, the type of messages."""
        return signals[..., self.places].astype(np.float32)
