# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Gather the decisions of one tick for the safety gate: an owner's word first, else a redecision."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.tick.messages import Decision, Float32, Validity

NONE = 255  # validity of a slot that nobody has decided
OWNER, PASSED_ON = 1 << 40, 1 << 32  # outrank any revision
REDECIDED = int(Validity.REDECIDED)  # NumPy compares an array with a number in a tenth of the time that an enum takes


class Collector:
    """Hold the best known action of every slot in the present tick."""

    def __init__(self, slots: int, act_dim: int, excuse_ticks: int = 2) -> None:
        self.actions: Float32 = np.full((slots, act_dim), np.nan, np.float32)
        self.validity: NDArray[np.uint8] = np.full(slots, NONE, np.uint8)  # Validity, or NONE
        self.source_ns: int | None = None  # of the oldest observation that was decided on
        self.counts: Counter[str] = Counter()  # late, duplicate, refused
        self.tick: int | None = None
        self._owned = np.zeros(slots, dtype=bool)  # the owner has spoken
        self._rank = np.zeros(slots, dtype=np.int64)
        self._silent: NDArray[np.int64] = np.zeros(slots, dtype=np.int64)  # ticks in a row without the owner's word
        self._excuse_ticks = excuse_ticks

    def begin(self, tick: int) -> None:
        """Forget the tick before and gather for this one."""
        if self.tick is not None:
            self._silent = np.where(self._owned, 0, self._silent + 1)
        self.tick = tick
        self.source_ns = None
        self.actions[:], self.validity[:], self._owned[:], self._rank[:] = np.nan, NONE, False, -1

    @property
    def complete(self) -> bool:
        """Return whether every owner has decided. An owner that is long silent is not waited for, if others help."""
        excused = (self._silent >= self._excuse_ticks) & (self.validity != NONE)
        return bool((self._owned | excused).all())

    @property
    def present(self) -> NDArray[np.bool_]:
        """Return for which slots something was decided (slot,)."""
        return np.asarray(self.validity != NONE, dtype=np.bool_)

    @property
    def silent(self) -> NDArray[np.int64]:
        """Return for how many ticks in a row each owner has been silent (slot,), the present tick not counted."""
        return self._silent.copy()

    def add(self, decision: Decision) -> bool:
        """Take a decision; say whether it belongs to the present tick and fits."""
        if self.tick is None or decision.tick != self.tick:
            late = self.tick is not None and decision.tick < self.tick
            self.counts["late" if late else "refused"] += 1
            if late and self.tick is not None and self.tick - decision.tick <= self._excuse_ticks:
                self._silent[decision.first:decision.stop] = 0  # slow, but not silent: worth waiting for
            return False
        slots = len(decision.actions)
        if (decision.actions.shape != self.actions[:slots].shape or decision.validity.shape != (slots,)
                or not 0 <= decision.first < decision.stop <= slots):
            self.counts["refused"] += 1
            return False
        # An owner's word beats any other; then a word that an owner has passed on; then the latest.
        rank = np.where(decision.validity != REDECIDED, PASSED_ON, 0) + decision.revision
        rank[decision.first:decision.stop] += OWNER
        better = rank > self._rank[:slots]
        np.copyto(self._rank[:slots], rank, where=better)
        np.copyto(self.validity[:slots], decision.validity, where=better)
        np.copyto(self.actions[:slots], decision.actions, where=better[:, None])
        self._owned[decision.first:decision.stop] |= better[decision.first:decision.stop]
        self.source_ns = decision.source_ns if self.source_ns is None else min(self.source_ns, decision.source_ns)
        return True
