# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Decide ticks again in one place and compare them, bit for bit, with what many processes decided."""

from __future__ import annotations

from collections import Counter, OrderedDict

import numpy as np

from mat_ros.core.decide import Decider, Validity
from mat_ros.core.encode import Encoder
from mat_ros.core.keeper import Observation, Outcome

KEPT = 64  # ticks whose outcome may still come


class Checker:
    """Compare each outcome with the observation that it came from."""

    def __init__(self, encoder: Encoder, decider: Decider, slots: int) -> None:
        self.counts: Counter[str] = Counter()  # compared, differing, unmatched, undecidable
        self.difference = ""  # the first one
        self._encoder, self._decider, self._slots = encoder, decider, slots
        self._observations: OrderedDict[tuple[int, int], Observation] = OrderedDict()  # by tick and source

    def on_observation(self, observation: Observation) -> None:
        """Remember what was measured."""
        self._observations[observation.tick, observation.source_ns] = observation
        while len(self._observations) > KEPT:
            self._observations.popitem(last=False)

    def on_outcome(self, outcome: Outcome) -> bool | None:
        """Say whether the actions of a tick are those that one process would have decided; None: cannot be said."""
        observation = self._observations.pop((outcome.tick, outcome.source_ns), None)
        if observation is None:
            self.counts["unmatched"] += 1
            return None
        enc = self._encoder.encode_again(observation)
        if enc is None:
            self.counts["undecidable"] += 1
            return None
        # Behind a broken joint the chain was told something that only its node knew: what follows is not compared.
        told = np.flatnonzero((outcome.validity == Validity.HELD) | (outcome.validity == Validity.ZERO))
        stop = int(told[0]) + 1 if told.size else self._slots
        _, intended = self._decider.extend(self._decider.start(), outcome.tick, stop, enc, Validity.OWN)
        decided = outcome.validity[:stop] <= Validity.ZERO
        mine, theirs = intended[decided], outcome.actions[:stop][decided]
        self.counts["compared"] += 1
        if mine.tobytes() == theirs.tobytes():
            return True
        self.counts["differing"] += 1
        if not self.difference:
            slot = int(np.flatnonzero(decided)[np.flatnonzero((mine != theirs).any(axis=1))[:1]][0])
            self.difference = f"tick {outcome.tick}, slot {slot}: {intended[slot]} and {outcome.actions[slot]}"
        return False
