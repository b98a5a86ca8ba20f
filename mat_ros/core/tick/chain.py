# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run the tick of one chain node: wait for the predecessor's baton, then decide, with or without the baton.

Every node has the same weights and receives the same encodings. When no baton comes from a predecessor, a node can run
the missing steps itself. The result has the same bits as the missing baton. The patience of a node is the time that
the node waits before it runs the missing steps. The modes differ only in patience:

    strict      The node waits until the deadline. This is the pure chain, with n hops.
    bounded     The node waits one budget for each slot before its own. A dead or slow node costs at most one budget.
    optimistic  The node does not wait. A tick costs one fan-out, whatever n is. The node decides again when a baton
                differs from the redecided steps. A baton differs when the node of a broken joint reports the fault.

This module has no threads and no sockets. The caller passes in each message and the time, and sends the messages that
the methods return.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from mat_ros.core.errors import Refused
from mat_ros.core.tick.decide import Decider
from mat_ros.core.tick.messages import Baton, Decision, Encoding, Override, Prefix, Validity
from mat_ros.core.tick.order import Order, Turn

MODES = ("strict", "bounded", "optimistic")
BATONS = ("always", "on_deviation")  # when a node sends a baton
HORIZON = 64  # ticks: a baton further ahead than this belongs to another run


def usual_baton(mode: str) -> str:
    """Return when a node sends a baton: always in the modes in which nodes wait for batons."""
    return "on_deviation" if mode == "optimistic" else "always"


@dataclass(frozen=True)
class Patience:
    """Set how long a slot waits for the baton of its predecessor."""

    mode: str  # one of MODES
    budget_ns: int | None  # for each slot before the node's first slot; None: wait until the deadline

    @classmethod
    def of(cls, mode: str, budget_ns: int = 0) -> Patience:
        """Return the patience of a mode. Only `bounded` uses the budget."""
        budgets = {"strict": None, "bounded": budget_ns, "optimistic": 0}
        if mode not in MODES or (mode == "bounded" and budget_ns <= 0):
            raise Refused("patience", "strict, optimistic, or bounded with a positive budget",
                          f"{mode}, {budget_ns} ns", "choose one of them")
        return cls(mode, budgets[mode])

    def until_ns(self, encoding: Encoding, slot: int) -> int:
        """Return the time at which a slot stops waiting for a baton."""
        if self.budget_ns is None:
            return encoding.deadline_ns
        return min(encoding.deadline_ns, encoding.start_ns + slot * self.budget_ns)


@dataclass(frozen=True)
class Role:
    """Describe the place of a node in the chain."""

    slots: int  # number of slots of the whole chain, n
    first: int  # the node owns the slots first .. stop-1
    stop: int
    patience: Patience
    baton: str = "always"  # one of BATONS; on_deviation: send a baton only when successors cannot redecide its content
    backup: bool = False  # the node also decides the slots after its own, in case their nodes send no decision

    def __post_init__(self) -> None:
        """Refuse a place outside the chain."""
        if not 0 <= self.first < self.stop <= self.slots or self.baton not in BATONS:
            raise Refused("chain role", f"slots in 0..{self.slots}, baton always | on_deviation",
                          (self.first, self.stop, self.baton), "correct the wiring")


class ChainNode:
    """Decide the slots of one node of the chain.

    A node carries no policy state from tick to tick. So a restarted node decides exactly from its first tick on.
    """

    def __init__(self, decider: Decider, role: Role, period_ns: int) -> None:
        self.role = role
        # late, early, old, duplicate, refused, ahead, undecided, redecided, corrected
        self.counts: Counter[str] = Counter()
        self.shared: Mapping[int, Override] = MappingProxyType({})  # overrides that every node has received
        self.own: Mapping[int, Override] = MappingProxyType({})  # overrides of own slots that only this node has
        self._decider = decider
        self._encoding: Encoding | None = None
        self._baton: Baton | None = None  # the baton of highest rank in the present tick
        self._ahead: dict[int, Baton] = {}  # by tick: the baton of highest rank for each of the next encodings
        self._order = Order(period_ns, lockstep=True)  # a tick of any length is decided before its deadline
        self._before: Prefix | None = None  # the prefix on which the last decision of this tick is based
        self._revision = 0

    @property
    def wake_ns(self) -> int | None:
        """Return the time at which `poll` has to be called; None while the node waits for nothing."""
        if self._encoding is None or self._before is not None:
            return None
        return self.role.patience.until_ns(self._encoding, self.role.first)

    def on_encoding(self, encoding: Encoding, now_ns: int) -> list[Baton | Decision]:
        """Begin a tick, and return the messages to send."""
        turn = self._order.judge(encoding.start_ns, encoding.deadline_ns, now_ns)
        if turn is not Turn.NEW:
            again = turn is Turn.LATE and self._encoding is not None and encoding.tick == self._encoding.tick
            self.counts["duplicate" if again else turn.value] += 1
            return []
        if not self._decider.fits_encoding(encoding.enc):
            self.counts["refused"] += 1
            return []
        if self._encoding is not None and self._before is None:
            self.counts["undecided"] += 1
        self._order.note(encoding.start_ns)
        self._encoding, self._baton, self._before, self._revision = encoding, None, None, 0
        if self._ahead:
            ahead = self._ahead.pop(encoding.tick, None)
            self._ahead = {tick: baton for tick, baton in self._ahead.items()
                           if encoding.tick < tick <= encoding.tick + HORIZON}
            if ahead is not None and self._belongs(ahead, encoding):
                self._baton = ahead
        return self._advance(now_ns)

    def on_baton(self, baton: Baton, now_ns: int) -> list[Baton | Decision]:
        """Take a baton from a predecessor, and return the messages to send."""
        if not 0 < baton.prefix.slots <= self.role.first or not self._decider.fits(baton.prefix):
            self.counts["refused"] += 1
            return []
        tick = self._encoding.tick if self._encoding is not None else None
        if tick is not None and baton.tick < tick:
            self.counts["late"] += 1
            return []
        if tick is not None and baton.tick > tick + HORIZON:
            self.counts["refused"] += 1
            return []
        if self._encoding is None or baton.tick > self._encoding.tick:
            self.counts["ahead"] += 1
            known = self._ahead.get(baton.tick)
            if known is None or baton.rank > known.rank:
                self._ahead[baton.tick] = baton
            if len(self._ahead) > HORIZON:  # only before the first encoding, when no tick is known
                del self._ahead[min(self._ahead)]
            return []
        if not self._belongs(baton, self._encoding):
            self.counts["refused"] += 1
            return []
        if self._baton is not None and baton.rank <= self._baton.rank:
            self.counts["duplicate"] += 1
            return []
        self._baton = baton
        return self._advance(now_ns)

    def poll(self, now_ns: int) -> list[Baton | Decision]:
        """Decide without a baton when the patience is over, and return the messages to send."""
        return self._advance(now_ns) if self._encoding is not None and self._before is None else []

    @staticmethod
    def _belongs(baton: Baton, encoding: Encoding) -> bool:
        """Return whether both come from the same observation. An earlier run uses the same tick numbers."""
        return (baton.tick, baton.source_ns) == (encoding.tick, encoding.source_ns)

    def _advance(self, now_ns: int) -> list[Baton | Decision]:
        encoding, role = self._encoding, self.role
        if encoding is None or now_ns >= encoding.deadline_ns:
            return []  # the gate would not apply a decision that is sent after the deadline
        heard = self._baton.prefix if self._baton is not None else self._decider.start()
        if heard.slots < role.first and now_ns < role.patience.until_ns(encoding, role.first):
            return []
        before, _ = self._decider.extend(
            heard, encoding.tick, role.first, encoding.enc, Validity.REDECIDED, self.shared)
        if self._before is not None:
            if before.same_bits(self._before):
                return []
            self.counts["corrected"] += 1
            self._revision += 1
        self.counts["redecided"] += role.first - heard.slots
        self._before = before
        return self._decide(encoding, before)

    def _decide(self, encoding: Encoding, before: Prefix) -> list[Baton | Decision]:
        role, tick = self.role, encoding.tick
        overrides = {**self.shared, **self.own} if self.own else self.shared
        after, intended = self._decider.extend(before, tick, role.stop, encoding.enc, Validity.OWN, overrides)
        out: list[Baton | Decision] = []
        deviates = self._baton is not None or bool(self.own)
        if role.stop < role.slots and (role.baton == "always" or deviates):
            out.append(Baton(tick, encoding.source_ns, self._revision, after))
        actions, validity = np.concatenate([before.actions, intended]), after.validity
        if role.backup and role.stop < role.slots:
            rest, tail = self._decider.extend(after, tick, role.slots, encoding.enc, Validity.REDECIDED, overrides)
            actions, validity = np.concatenate([actions, tail]), rest.validity
        out.append(Decision(tick, encoding.source_ns, self._revision, role.first, role.stop, actions, validity))
        return out
