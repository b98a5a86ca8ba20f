# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Hold what a fault benchmark found: the page and the summary are written from this and from nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mat_ros.bench.faults.table import Key, Rows
from mat_ros.core.tick.messages import Float32


@dataclass(frozen=True)
class SlotInfluence:
    """How far each slot's action moves the actions of its successors, as a mean over ticks in which nothing breaks."""

    slots: tuple[str, ...]  # names
    moved: Float32  # (slot, slot), policy units: how far the column's action moves when the row's is told as zero
    values: Float32  # (slot,): what the critic expects, normalised


@dataclass(frozen=True)
class ShownCell:
    """A cell that a reader should see, and what it left of the return."""

    name: str
    key: Key
    retention: float


@dataclass(frozen=True)
class Strip:
    """The first episode of a shown cell as pictures side by side."""

    shown: ShownCell
    image: NDArray[np.uint8] | None  # (height, width, 3)
    trouble: str = ""  # why there is no image


@dataclass(frozen=True)
class CloseUp:
    """One policy, seen from near."""

    policy: str
    influence: SlotInfluence
    strips: tuple[Strip, ...]


@dataclass(frozen=True)
class Findings:
    """Everything that a fault benchmark found; the columns of the tables are those that `figures` and `live` write."""

    command: str  # makes all of this again
    episodes: Rows  # a row for each episode of each cell
    conditions: Rows  # a row for each policy, condition and chain information
    gains: Rows  # what a chain gains that is told the truth
    live: Rows = ()  # a row for each cell that also ran as a live graph
    left_out: tuple[str, ...] = ()  # a sentence for each cell that could not run as a live graph
    close_ups: tuple[CloseUp, ...] = ()
