# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Lay out the state that `step` carries from slot to slot, so that the state can travel in a message."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod


@dataclass(frozen=True)
class StatePart:
    """Name one run of floats inside a block's state."""

    name: str
    shape: tuple[int, ...]
    initial: float = 0.0

    @property
    def size(self) -> int:
        """Return the count of floats of this part."""
        return prod(self.shape)


@dataclass(frozen=True)
class HopLayout:
    """Lay out the flat state: `blocks` times `parts`, in that order, per row.

    A recurrent state is one row of constant size, shape (batch, width). A key/value state has one row per slot that has
    already decided, shape (batch, slot, width). The state of MAT-Dec is empty, shape (batch, 0).
    """

    kind: str  # 'recurrent', 'rows' or 'empty'
    blocks: int
    parts: tuple[StatePart, ...]

    @property
    def width(self) -> int:
        """Return the count of floats of one row."""
        return self.blocks * sum(part.size for part in self.parts)

    def floats_into(self, slot: int) -> int:
        """Return the count of floats that travel to `slot`. Slot 0 is the first; it receives the initial state."""
        return slot * self.width if self.kind == "rows" else self.width

    def shape(self, batch: int, slot: int) -> tuple[int, ...]:
        """Return the shape of the state that enters `slot`."""
        return (batch, slot, self.width) if self.kind == "rows" else (batch, self.width)

    def offsets(self) -> dict[str, tuple[int, int]]:
        """Return the place of every part, as `block.part` -> (first float, one past the last)."""
        table: dict[str, tuple[int, int]] = {}
        start = 0
        for block in range(self.blocks):
            for part in self.parts:
                table[f"{block}.{part.name}"] = (start, start + part.size)
                start += part.size
        return table
