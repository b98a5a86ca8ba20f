# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compare numbers bit by bit, and report the place of the first difference."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.record.mcap import Message
from mat_ros.core.tick.collect import NONE
from mat_ros.core.wire import cdr


@dataclass
class Report:
    """Hold the result of a comparison."""

    ticks: int = 0  # ticks in the recording
    compared: int = 0  # ticks of which at least one decision could be compared
    undecided: int = 0  # ticks in which no node decided, so that there was no decision to compare
    differing: int = 0  # compared ticks that differ
    first: dict[str, Any] | None = None  # {"tick", "slot", "field"} of the first difference; "joint" in the gate
    equality: str = "bit"  # or "tolerance", where another kind of backend replays
    truncated: bool = False
    unmatched: int = 0  # messages of a tick whose observation is not in the recording
    values: int = 0  # compared numbers
    worst: float = 0.0  # greatest difference
    gate: dict[str, Any] | None = None  # {"commands", "differing", "unknown", "reason"} of the gate, in a replay
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return asdict(self)


@dataclass
class Comparison:
    """Compare the parts of one tick, and store the first difference."""

    tick: int
    tolerance: float | None = None  # in policy units; None: every bit has to be the same
    values: int = 0
    worst: float = 0.0
    first: dict[str, Any] | None = None  # as in Report

    def rows(self, name: str, got: NDArray[Any], wanted: NDArray[Any]) -> None:
        """Compare (slot, ...) with (slot, ...)."""
        for slot in range(len(got)):
            self.one(name, slot, got[slot], wanted[slot])

    def one(self, name: str, slot: int, got: NDArray[Any], wanted: NDArray[Any]) -> None:
        """Compare the values of one slot. The slot is -1 where the values belong to no slot."""
        self.values += got.size
        if got.shape == wanted.shape and _same(got, wanted):
            return
        close = False
        if got.shape == wanted.shape:
            with np.errstate(invalid="ignore"):  # recorded bits may be a signalling NaN
                far = np.nanmax(np.abs(got.astype(np.float64) - wanted), initial=0.0)
                scale = np.nanmax(np.abs(wanted.astype(np.float64)), initial=1.0)
            self.worst = max(self.worst, float(far))
            close = (self.tolerance is not None and bool((np.isnan(got) == np.isnan(wanted)).all())
                     and far <= self.tolerance * max(1.0, float(scale)))
        if not close and self.first is None:
            self.first = {"tick": self.tick, "slot": slot, "field": name}


def has_decision(applied: Message) -> bool:
    """Return whether the gate used any decision in a recorded command."""
    return bool((cdr.decode(applied.type, applied.data).validity != NONE).any())


def _same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Return whether two arrays have the same bits. Any two NaN are equal, because a missing value has no sign."""
    return a.tobytes() == b.tobytes() or bool(np.array_equal(a, b, equal_nan=True) and
                                              (np.signbit(a) == np.signbit(b))[~np.isnan(a)].all())
