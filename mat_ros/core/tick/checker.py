# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Decide ticks again in one process, and compare the result bit for bit with the decisions of many processes."""

from __future__ import annotations

from collections import Counter, OrderedDict

import numpy as np

from mat_ros.core.tick.collect import NONE
from mat_ros.core.tick.decide import Decider
from mat_ros.core.tick.encode import Encoder
from mat_ros.core.tick.messages import Observation, Outcome, Validity

KEPT = 64  # observations without outcome, and outcomes without observation, that wait for their other half


class Checker:
    """Compare each outcome with the decision that one process makes from the same observation."""

    def __init__(self, encoder: Encoder, decider: Decider, slots: int) -> None:
        self.counts: Counter[str] = Counter()  # compared, differing, undecided, unmatched, undecidable
        self.difference = ""  # text about the first difference
        self._encoder, self._decider, self._slots = encoder, decider, slots
        self._observations: OrderedDict[tuple[int, int], Observation] = OrderedDict()  # by (tick, source_ns)
        self._outcomes: OrderedDict[tuple[int, int], Outcome] = OrderedDict()  # arrived before their observation

    def on_observation(self, observation: Observation) -> bool | None:
        """Store an observation, or compare it where its outcome came first. Return the same as `on_outcome`."""
        place = observation.tick, observation.source_ns
        if place in self._outcomes:
            return self._compare(observation, self._outcomes.pop(place))
        self._observations[place] = observation
        while len(self._observations) > KEPT:
            self._observations.popitem(last=False)
        return None

    def on_outcome(self, outcome: Outcome) -> bool | None:
        """Return whether one process decides the same actions for a tick; None where the checker cannot compare."""
        place = outcome.tick, outcome.source_ns
        if place in self._observations:
            return self._compare(self._observations.pop(place), outcome)
        self._outcomes[place] = outcome
        while len(self._outcomes) > KEPT:
            self._outcomes.popitem(last=False)
            self.counts["unmatched"] += 1
        return None

    def _compare(self, observation: Observation, outcome: Outcome) -> bool | None:
        if (outcome.validity == NONE).all():
            self.counts["undecided"] += 1  # the gate acted without a node, so there is no decision to compare
            return None
        encoded = self._encoder.encode_again(observation)
        if encoded is None:
            self.counts["undecidable"] += 1
            return None
        # The override of a broken joint may be known only to its node, so the slots behind that joint are not compared.
        told = np.flatnonzero((outcome.validity == Validity.HELD) | (outcome.validity == Validity.ZERO))
        stop = int(told[0]) + 1 if told.size else self._slots
        _, intended = self._decider.extend(self._decider.start(), outcome.tick, stop, encoded[0].enc, Validity.OWN)
        decided = outcome.validity[:stop] <= Validity.ZERO
        if not decided.any():
            self.counts["undecided"] += 1  # only slots behind a broken joint were decided
            return None
        mine, theirs = intended[decided], outcome.actions[:stop][decided]
        self.counts["compared"] += 1
        if mine.tobytes() == theirs.tobytes():
            return True
        self.counts["differing"] += 1
        if not self.difference:
            slot = int(np.flatnonzero(decided)[np.flatnonzero((mine != theirs).any(axis=1))[:1]][0])
            self.difference = f"tick {outcome.tick}, slot {slot}: {intended[slot]} and {outcome.actions[slot]}"
        return False
