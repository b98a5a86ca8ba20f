# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Encode the measurements of a tick. The chain decides on these encodings."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

import numpy as np

from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.robot.observe import Observer
from mat_ros.core.tick.messages import Encoding, Float32, Observation
from mat_ros.core.tick.order import Order, Turn


class EncodingBackend(Protocol):
    """Encode observations. Every backend implements this protocol."""

    def encode(self, obs: Float32) -> tuple[Float32, Float32]:
        """Return encodings (n, enc_dim) and values (n,) of the raw observation (n, obs_dim)."""
        ...


class Encoder:
    """Encode one observation per tick. The class keeps only the start time of the last one."""

    def __init__(self, backend: EncodingBackend, manifest: Manifest) -> None:
        self.counts: Counter[str] = Counter()  # encoded, late, early, old, expired, not_finite
        self._backend = backend
        self._observer = Observer(manifest.layout)
        self._order = Order(manifest.period_ns, lockstep=True)  # a tick of any length is encoded before its deadline

    @property
    def signal_count(self) -> int:
        """Return the number of measurements in an observation."""
        return self._observer.signal_count

    def encode(self, observation: Observation, now_ns: int) -> tuple[Encoding, Float32] | None:
        """Return the encodings and the values (n,); None for a late, expired or non-finite observation."""
        turn = self._order.judge(observation.start_ns, observation.deadline_ns, now_ns)
        if turn is not Turn.NEW:
            self.counts[turn.value] += 1
            return None
        if now_ns >= observation.deadline_ns:
            self.counts["expired"] += 1
            return None
        found = self.encode_again(observation)
        if found is None:
            self.counts["not_finite"] += 1  # the gate handles joints without a decision, the policy receives no NaN
            return None
        self._order.note(observation.start_ns)
        self.counts["encoded"] += 1
        return found

    def encode_again(self, observation: Observation) -> tuple[Encoding, Float32] | None:
        """Return the encodings and the values (n,) of a tick of any age; None where a measurement is not finite."""
        obs = self._observer.observe(observation.signals)
        if not np.isfinite(obs).all():
            return None
        enc, values = self._backend.encode(obs)
        o = observation
        return Encoding(o.tick, o.start_ns, o.deadline_ns, o.source_ns, enc), values
