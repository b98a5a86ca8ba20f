# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Hostile messages of a tick: well-formed, of the right policy and with the right tag, and absurd in every field.

Two things are left out, since whoever has the secret of a launch may decide in it: a decision on the measurements of
the present tick, and an Applied of a tick that was observed.
"""

from __future__ import annotations

import time

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.tick.messages import Applied, Baton, Decision, Encoding, Observation, Outcome, Prefix
from mat_ros.core.wire import tick as wire
from mat_ros.core.wire.seal import Seal, read_secret
from mat_ros.nodes import topics
from mat_ros.nodes.topics import Topic

NUMBERS = (0.0, -0.0, 1.0, -1.0, 5e-324, 1e-45, 3.4e38, -3.4e38, np.inf, -np.inf, np.nan, 1e-9, 1e6)
TEXTS = ("x", "", "-1", "nan", "1e999", "True", "9" * 400, "\u2603", "0,1,x")
TOPICS = (topics.OBSERVATION, topics.ENCODING, topics.baton(0), topics.baton(1), topics.baton(2), topics.DECISION,
          topics.APPLIED)


class Hostile:
    """Draw messages."""

    def __init__(self, bundle: Bundle, seed: int = 0) -> None:
        self._bundle, self._rng, self._drawn = bundle, np.random.default_rng(seed), 0
        self._seals = {topic.name: Seal(read_secret(), topic.name) for topic in TOPICS}

    def draw(self, topic: Topic) -> bytes:
        """Return a message of a topic."""
        self._drawn += 1
        make = {topics.OBSERVATION: self._observation, topics.ENCODING: self._encoding,
                topics.DECISION: self._decision, topics.APPLIED: self._applied}.get(topic, self._baton)
        return self._seals[topic.name].sign(make(self._bundle.hash64))

    def report(self, prefix: str, names: list[str]) -> DiagnosticArray:
        """Return a report of a node that it did not write."""
        keys = ("ticks", "missed", "redecided", "late", "refused", "silent_slots", "p50_ms", "compared", "unwritten")
        values = [KeyValue(key=key, value=str(self._rng.choice(TEXTS))) for key in keys]
        status = DiagnosticStatus(name=prefix + str(self._rng.choice(names)), values=values,
                                  level=bytes([int(self._rng.integers(256))]))
        status.values.append(KeyValue(key="active", value="True"))
        return DiagnosticArray(status=[status])

    # -- fields --------------------------------------------------------------------------------------------------

    def _numbers(self, *shape: int) -> np.ndarray:
        with np.errstate(all="ignore"):
            return self._rng.choice(np.array([*NUMBERS, *self._rng.normal(size=6)]), shape).astype(np.float32)

    def _tick(self) -> int:
        near = int(self._rng.integers(0, 2_000))  # also ticks of the run
        return int(self._rng.choice(np.array([0, 1, 2**31, 2**32, 2**63, 2**64 - 1, near, near, near], np.uint64)))

    def _times(self) -> tuple[int, int]:
        now = time.monotonic_ns()
        start = now + int(self._rng.choice([0, 0, 0, -10**7, 10**7, 10**9, -10**9, 36 * 10**11, -36 * 10**11]))
        start = int(self._rng.choice([start] * 6 + [0, -2**63, 2**63 - 1]))
        deadline = start + int(self._rng.choice([0, 1, 10**7, 8 * 10**7, 10**9, 10**12, -10**7]))
        return start, int(np.clip(deadline, -2**63, 2**63 - 1)) if abs(deadline) > 2**62 else deadline

    def _source(self) -> int:
        """Return the stamp of no observation: each message has another one."""
        sec = int(self._rng.choice([0, 1, -1, 2**31 - 1, -2**31, time.monotonic_ns() // 10**9]))
        return sec * 10**9 + 500_000_000 + self._drawn

    # -- messages ------------------------------------------------------------------------------------------------

    def _observation(self, manifest: int) -> bytes:
        signals = self._numbers(self._bundle.manifest.layout.signal_count)
        if self._rng.random() < 0.5:
            signals = np.clip(np.nan_to_num(signals), -2.0, 2.0)
        return wire.write_observation(Observation(self._tick(), *self._times(), self._source(),
                                                  int(self._rng.integers(2**32)), signals), manifest)

    def _encoding(self, manifest: int) -> bytes:
        network = self._bundle.manifest.network
        enc = self._numbers(network.agents, network.enc_dim)
        if self._rng.random() < 0.5:
            enc = np.nan_to_num(enc)
        return wire.write_encoding(Encoding(self._tick(), *self._times(), self._source(), enc),
                                   self._numbers(network.agents), manifest)

    def _baton(self, manifest: int) -> bytes:
        network, state = self._bundle.manifest.network, self._bundle.manifest.state
        slots = int(self._rng.integers(1, network.agents + 3))
        size = state.size(min(slots, network.agents)) + int(self._rng.choice([0, 0, 0, 1]))
        prefix = Prefix(self._numbers(slots, network.act_dim), self._rng.integers(0, 256, slots).astype(np.uint8),
                        self._numbers(size))
        return wire.write_baton(Baton(self._tick(), self._source(), int(self._rng.integers(256)), prefix), manifest)

    def _decision(self, manifest: int) -> bytes:
        agents, act_dim = self._bundle.manifest.network.agents, self._bundle.manifest.network.act_dim
        first = int(self._rng.choice([0, 1, agents - 1, agents, 65534]))
        count = int(self._rng.integers(1, agents + 3))
        stop = int(self._rng.choice([first + 1, min(first + count, 65535), agents, 1]))
        return wire.write_decision(Decision(
            self._tick(), self._source(), int(self._rng.integers(256)), first, max(stop, 1),
            self._numbers(count, act_dim), self._rng.integers(0, 256, count).astype(np.uint8)), manifest)

    def _applied(self, manifest: int) -> bytes:
        network, joints = self._bundle.manifest.network, len(self._bundle.manifest.joints)
        applied = Applied(self._numbers(joints).astype(float), self._numbers(joints).astype(float),
                          self._rng.integers(0, 2**16, joints).astype(np.uint16), bool(self._rng.integers(2)))
        outcome = Outcome(self._tick(), self._source(), self._numbers(network.agents, network.act_dim),
                          self._rng.integers(0, 256, network.agents).astype(np.uint8), applied, 0)
        return wire.write_applied(outcome, time.monotonic_ns(), manifest)
