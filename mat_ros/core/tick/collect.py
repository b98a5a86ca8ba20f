# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Gather the decisions of one tick for the safety gate. An owner's decision ranks before a redecision.

A tick is open until each slot has a decision, until its deadline has passed, or until its command is applied.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.tick.chain import HORIZON
from mat_ros.core.tick.messages import Decision, Float32, Validity

NONE = 255  # validity of a slot that no node has decided
OWNER, PASSED_ON = 1 << 40, 1 << 32  # outrank any revision
REDECIDED = int(Validity.REDECIDED)  # NumPy compares an array with an int ten times as fast as with an enum
AHEAD = 4096  # decisions that the collector stores for ticks whose observation has not come yet


class Collector:
    """Hold the action of highest rank of every slot in the present tick."""

    def __init__(self, slots: int, act_dim: int, excuse_ticks: int = 2) -> None:
        self.actions: Float32 = np.full((slots, act_dim), np.nan, np.float32)
        self.validity: NDArray[np.uint8] = np.full(slots, NONE, np.uint8)  # Validity, or NONE
        self.counts: Counter[str] = Counter()  # late, refused
        self.tick: int | None = None
        self.source_ns: int | None = None  # time of the observation on which the decisions must be based; None: any
        self.open = False  # a decision still counts for the command of this tick
        self._deadline_ns: int | None = None
        self._ahead: list[Decision] = []
        self._owned = np.zeros(slots, dtype=bool)  # the owner's decision is there
        self._rank = np.zeros(slots, dtype=np.int64)
        self._silent: NDArray[np.int64] = np.zeros(slots, dtype=np.int64)  # ticks in a row without the owner's decision
        self._excuse_ticks = excuse_ticks

    def begin(self, tick: int, source_ns: int | None = None, deadline_ns: int | None = None, now_ns: int = 0) -> None:
        """Begin a tick with the decisions that came before its observation."""
        if self.tick is not None:
            self._note_silence()
        self._drop()
        self.tick, self.source_ns, self._deadline_ns, self.open = tick, source_ns, deadline_ns, True
        waiting, self._ahead = self._ahead, []
        for decision in waiting:
            self.hear(decision, now_ns)

    def begin_again(self) -> None:
        """Drop the decisions of the present tick, and wait for its owners once more."""
        self._note_silence()
        self._drop()

    def close(self) -> tuple[Float32, NDArray[np.uint8]]:
        """End the tick, and return copies of the actions (slot, act_dim) and of their validity (slot,)."""
        self.open = False
        return self.actions.copy(), self.validity.copy()

    @property
    def complete(self) -> bool:
        """Return whether every slot has its owner's decision. For a silent owner, a redecision is enough."""
        excused = (self._silent >= self._excuse_ticks) & (self.validity != NONE)
        return bool((self._owned | excused).all())

    @property
    def silent(self) -> NDArray[np.int64]:
        """Return the number of ticks in a row without each owner's decision (slot,), the present tick not counted."""
        return self._silent.copy()

    def hear(self, decision: Decision, now_ns: int) -> bool:
        """Take a decision, and return whether it ends the tick: all are there, or the deadline has passed."""
        tick = self.tick
        if tick is None or tick < decision.tick <= tick + HORIZON:
            if len(self._ahead) < AHEAD:
                self._ahead.append(decision)
            return False
        if decision.tick == tick and self.source_ns not in (None, decision.source_ns):
            self.counts["refused"] += 1
            return False
        if self.open and self._deadline_ns is not None and now_ns > self._deadline_ns:
            self.counts["late"] += 1
            self.open = False  # the deadline has passed while this process did not run
            return True
        if not self.add(decision):
            return False
        if not self.open:
            self.counts["late"] += 1  # its owner decides all the same, so the next tick waits for it again
            return False
        self.open = not self.complete
        return not self.open

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
        if self.open:
            np.copyto(self.validity[:slots], decision.validity, where=better)
            np.copyto(self.actions[:slots], decision.actions, where=better[:, None])
        self._owned[decision.first:decision.stop] |= better[decision.first:decision.stop]
        return True

    def _note_silence(self) -> None:
        self._silent = np.where(self._owned, 0, self._silent + 1)

    def _drop(self) -> None:
        self.actions[:], self.validity[:], self._owned[:], self._rank[:] = np.nan, NONE, False, -1
