# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Hold the findings of a fault benchmark. The page and the summary are written from these findings alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mat_ros.bench.faults.table import Key, Rows
from mat_ros.core.tick.messages import Float32


@dataclass(frozen=True)
class SlotInfluence:
    """Hold the mean influence of each slot's action on the actions of its successors, over ticks without faults."""

    slots: tuple[str, ...]  # names of the slots
    moved: Float32  # (slot, slot), policy units: change of the column's action when the row's action is sent as zero
    values: Float32  # (slot,): values of the critic, normalised


@dataclass(frozen=True)
class ShownCell:
    """Hold a cell that the report shows, and its retention."""

    name: str
    key: Key
    retention: float


@dataclass(frozen=True)
class Strip:
    """Hold the pictures of the first episode of a shown cell, side by side."""

    shown: ShownCell
    image: NDArray[np.uint8] | None  # (height, width, 3)
    trouble: str = ""  # reason for a missing image


@dataclass(frozen=True)
class CloseUp:
    """Hold the close-up of one policy."""

    policy: str
    influence: SlotInfluence
    strips: tuple[Strip, ...]


@dataclass(frozen=True)
class Findings:
    """Hold all findings of a fault benchmark; `figures` and `live` define the columns of the tables."""

    command: str  # command line that makes the findings again
    episodes: Rows  # a row for each episode of each cell
    conditions: Rows  # a row for each policy, condition and chain information
    gains: Rows  # gains of chains that receive the truth
    live: Rows = ()  # a row for each cell that also ran as a live graph
    left_out: tuple[str, ...] = ()  # a sentence for each cell that could not run as a live graph
    close_ups: tuple[CloseUp, ...] = ()
