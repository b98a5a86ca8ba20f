# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Gather the decisions of one tick for the safety gate. An owner's decision ranks before a redecision."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.tick.messages import Decision, Float32, Validity

NONE = 255  # validity of a slot that no node has decided
OWNER, PASSED_ON = 1 << 40, 1 << 32  # outrank any revision
REDECIDED = int(Validity.REDECIDED)  # NumPy compares an array with an int ten times as fast as with an enum


class Collector:
    """Hold the action of highest rank of every slot in the present tick."""

    def __init__(self, slots: int, act_dim: int, excuse_ticks: int = 2) -> None:
        self.actions: Float32 = np.full((slots, act_dim), np.nan, np.float32)
        self.validity: NDArray[np.uint8] = np.full(slots, NONE, np.uint8)  # Validity, or NONE
        self.source_ns: int | None = None  # time of the oldest observation among the decisions
        self.counts: Counter[str] = Counter()  # late, duplicate, refused
        self.tick: int | None = None
        self._owned = np.zeros(slots, dtype=bool)  # the owner's decision is there
        self._rank = np.zeros(slots, dtype=np.int64)
        self._silent: NDArray[np.int64] = np.zeros(slots, dtype=np.int64)  # ticks in a row without the owner's decision
        self._excuse_ticks = excuse_ticks

    def begin(self, tick: int) -> None:
        """Drop the decisions of the previous tick, and begin this tick."""
        if self.tick is not None:
            self._silent = np.where(self._owned, 0, self._silent + 1)
        self.tick = tick
        self.source_ns = None
        self.actions[:], self.validity[:], self._owned[:], self._rank[:] = np.nan, NONE, False, -1

    @property
    def complete(self) -> bool:
        """Return whether every slot has its owner's decision. For a silent owner, a redecision is enough."""
        excused = (self._silent >= self._excuse_ticks) & (self.validity != NONE)
        return bool((self._owned | excused).all())

    @property
    def present(self) -> NDArray[np.bool_]:
        """Return which slots have a decision (slot,)."""
        return np.asarray(self.validity != NONE, dtype=np.bool_)

    @property
    def silent(self) -> NDArray[np.int64]:
        """Return the number of ticks in a row without each owner's decision (slot,), the present tick not counted."""
        return self._silent.copy()

    def add(self, decision: Decision) -> bool:
        """Take a decision, and return whether it belongs to the present tick and has the right shapes."""
        if self.tick is None or decision.tick != self.tick:
            late = self.tick is not None and decision.tick < self.tick
            self.counts["late" if late else "refused"] += 1
            if late and self.tick is not None and self.tick - decision.tick <= self._excuse_ticks:
                self._silent[decision.first:decision.stop] = 0  # the owner is slow but alive, so wait for it again
            return False
        slots = len(decision.actions)
        if (decision.actions.shape != self.actions[:slots].shape or decision.validity.shape != (slots,)
                or not 0 <= decision.first < decision.stop <= slots):
            self.counts["refused"] += 1
            return False
        # The owner's own decision ranks first, then an owner's decision that a baton carried, then the latest revision.
        rank = np.where(decision.validity != REDECIDED, PASSED_ON, 0) + decision.revision
        rank[decision.first:decision.stop] += OWNER
        better = rank > self._rank[:slots]
        np.copyto(self._rank[:slots], rank, where=better)
        np.copyto(self.validity[:slots], decision.validity, where=better)
        np.copyto(self.actions[:slots], decision.actions, where=better[:, None])
        self._owned[decision.first:decision.stop] |= better[decision.first:decision.stop]
        self.source_ns = decision.source_ns if self.source_ns is None else min(self.source_ns, decision.source_ns)
        return True
