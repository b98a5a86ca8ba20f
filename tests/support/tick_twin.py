# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A machine in C++ and its Python model, wired as the nodes wire it: both take every event, and must do the same."""

from __future__ import annotations

import dataclasses
import struct
from collections import Counter, deque
from collections.abc import Iterable, Mapping

from mat_ros.backends.native_backend import NativeBackend
from mat_ros.backends.native_tick import (
    BATON,
    DECISION,
    ENCODING,
    OBSERVATION,
    WAKE,
    NativeChain,
    NativeCollector,
    NativeEncoder,
    NativeMachine,
)
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.tick.chain import ChainNode, Role
from mat_ros.core.tick.collect import Collector
from mat_ros.core.tick.decide import Decider
from mat_ros.core.tick.encode import Encoder
from mat_ros.core.tick.messages import Baton, Decision, Observation, Override
from mat_ros.core.tick.overrides import Notices
from mat_ros.core.wire import tick as wire
from mat_ros.core.wire.seal import Seal

Sent = list[tuple[int, bytes]]  # topics and bytes


def topic_name(topic: int, slot: int) -> str:
    """Return the name of a topic, as in nodes/topics.py."""
    return f"baton/slot_{slot}" if topic == BATON else {
        OBSERVATION: "observation", ENCODING: "encoding", DECISION: "decision"}[topic]


class WiredNode:
    """The parts of nodes/shell.py that a message passes."""

    def __init__(self, bundle: Bundle, secret: bytes) -> None:
        self.shell_counts: Counter[str] = Counter()
        self.manifest = bundle.hash64
        self._secret = secret
        self._seals: dict[tuple[int, int], Seal] = {}

    def seal(self, topic: int, slot: int = 0) -> Seal:
        if (topic, slot) not in self._seals:
            self._seals[topic, slot] = Seal(self._secret, topic_name(topic, slot))
        return self._seals[topic, slot]

    def hear(self, topic: int, slot: int, data: bytes, now_ns: int) -> Sent:
        if not self.seal(topic, slot).holds(data):
            self.shell_counts["foreign"] += 1
        elif data[wire.MANIFEST] != struct.pack("<Q", self.manifest):
            self.shell_counts["other_policy"] += 1
        else:
            return self._guarded(lambda: self._handle(topic, data, now_ns))
        return []

    def _guarded(self, handle) -> Sent:
        try:
            return handle()
        except (ValueError, struct.error):
            self.shell_counts["refused"] += 1
            return []

    def _handle(self, topic: int, data: bytes, now_ns: int) -> Sent:
        raise NotImplementedError


class WiredChain(WiredNode):
    """What nodes/chain_node.py does with a message."""

    def __init__(self, backend: NativeBackend, bundle: Bundle, role: Role, secret: bytes) -> None:
        super().__init__(bundle, secret)
        self.network, self.role = bundle.manifest.network, role
        self.decider = Decider(backend, self.network, bundle.manifest.state)
        self.chain = ChainNode(self.decider, role, bundle.manifest.period_ns)
        self.notices = Notices()

    @property
    def counts(self) -> Counter[str]:
        return self.shell_counts + self.chain.counts

    @property
    def wake_ns(self) -> int | None:
        return self.chain.wake_ns

    @property
    def deadline_ns(self) -> int:
        return self.chain._encoding.deadline_ns

    def poll(self, now_ns: int) -> Sent:
        return self._guarded(lambda: self._written(self.chain.poll(now_ns)))

    def _handle(self, topic: int, data: bytes, now_ns: int) -> Sent:
        if topic == BATON:
            return self._written(self.chain.on_baton(wire.read_baton(data, self.network.act_dim), now_ns))
        encoding = wire.read_encoding(data, self.network.agents, self.network.enc_dim)
        self.chain.shared = self.notices.at(encoding.tick)
        return self._written(self.chain.on_encoding(encoding, now_ns))

    def _written(self, messages: list[Baton | Decision]) -> Sent:
        return [(DECISION, self.seal(DECISION).sign(wire.write_decision(message, self.manifest)))
                if isinstance(message, Decision) else
                (BATON, self.seal(BATON, self.role.stop - 1).sign(wire.write_baton(message, self.manifest)))
                for message in messages]


class WiredEncoder(WiredNode):
    """What nodes/encoder.py does with a message."""

    wake_ns = None

    def __init__(self, backend: NativeBackend, bundle: Bundle, secret: bytes) -> None:
        super().__init__(bundle, secret)
        self.encoder = Encoder(backend, bundle.manifest)

    @property
    def counts(self) -> Counter[str]:
        return self.shell_counts + self.encoder.counts

    def poll(self, now_ns: int) -> Sent:
        return []

    def _handle(self, topic: int, data: bytes, now_ns: int) -> Sent:
        found = self.encoder.encode(wire.read_observation(data, self.encoder.signal_count), now_ns)
        return [] if found is None else [
            (ENCODING, self.seal(ENCODING).sign(wire.write_encoding(*found, self.manifest)))]


class WiredCollector(WiredNode):
    """What nodes/safety.py does with a message before its keeper has something to do."""

    wake_ns = None
    first_ns = 0

    def __init__(self, bundle: Bundle, secret: bytes) -> None:
        super().__init__(bundle, secret)
        self.layout, self.network = bundle.manifest.layout, bundle.manifest.network
        self.collector = Collector(self.network.agents, self.network.act_dim)
        self.waiting: deque[tuple[Observation, int]] = deque(maxlen=2)

    @property
    def counts(self) -> Counter[str]:
        return self.shell_counts + self.collector.counts

    def _handle(self, topic: int, data: bytes, now_ns: int) -> Sent:
        if topic == OBSERVATION:
            self.waiting.append((wire.read_observation(data, self.layout.signal_count), now_ns))
            self.first_ns = 0
            return [(WAKE, b"")]
        decision = wire.read_decision(data, self.network.act_dim)
        self.first_ns = self.first_ns or now_ns
        return [(WAKE, b"")] if self.collector.hear(decision, now_ns) else []


class Twin:
    """Pass each event to the model and to the machine, and compare all that they do."""

    def __init__(self, model: WiredChain | WiredEncoder | WiredCollector, machine: NativeMachine) -> None:
        self.model, self.machine = model, machine
        self.seal = model.seal

    @classmethod
    def of_chain(cls, backend: NativeBackend, bundle: Bundle, role: Role, secret: bytes,
                 heard: Iterable[int] = ()) -> Twin:
        return cls(WiredChain(backend, bundle, role, secret), NativeChain(backend, bundle, role, secret, heard))

    @classmethod
    def of_encoder(cls, backend: NativeBackend, bundle: Bundle, secret: bytes) -> Twin:
        return cls(WiredEncoder(backend, bundle, secret), NativeEncoder(backend, bundle, secret))

    def hear(self, topic: int, slot: int, data: bytes, now_ns: int) -> Sent:
        return self._compared(self.machine.hear(topic, slot, data, now_ns), self.model.hear(topic, slot, data, now_ns),
                              now_ns)

    def poll(self, now_ns: int) -> Sent:
        return self._compared(self.machine.poll(now_ns), self.model.poll(now_ns), now_ns)

    def notice(self, tick: int, overrides: Mapping[int, Override]) -> None:
        self.machine.notice(tick, overrides)
        self.model.notices.add(tick, overrides)

    @property
    def wake_ns(self) -> int | None:
        """Return the time at which the model has to be called, or None where a call would change nothing."""
        return self.model.wake_ns

    def _compared(self, found: Sent, expected: Sent, now_ns: int) -> Sent:
        assert found == expected
        assert self.machine.counts == self.model.counts
        wake_ns = self.model.wake_ns
        if wake_ns is not None and (max(now_ns, wake_ns) >= self.model.deadline_ns):
            wake_ns = None  # the model names a time at which it would do nothing
        assert self.machine.wake_ns == wake_ns
        return found


class CollectorTwin(Twin):
    """Pass each message and each call of the gate to the collector in Python and to the machine."""

    def __init__(self, bundle: Bundle, secret: bytes) -> None:
        super().__init__(WiredCollector(bundle, secret), NativeCollector(bundle, secret))

    def take_observation(self) -> Observation | None:
        """Take the oldest observation that waits."""
        found = self.machine.observation()
        waiting = self.model.waiting
        expected = waiting.popleft() if waiting else None
        assert (found is None) == (expected is None)
        if found is None:
            return None
        (observation, heard_ns), (same, same_ns) = found, expected
        assert observation.signals.tobytes() == same.signals.tobytes()
        assert (dataclasses.replace(observation, signals=None), heard_ns) == (
            dataclasses.replace(same, signals=None), same_ns)
        return observation

    def begin(self, tick: int, source_ns: int, deadline_ns: int, now_ns: int) -> None:
        for collector in (self.machine, self.model.collector):
            collector.begin(tick, source_ns, deadline_ns, now_ns)
        self._compare()

    def begin_again(self) -> None:
        for collector in (self.machine, self.model.collector):
            collector.begin_again()
        self._compare()

    def close(self) -> None:
        found, expected = self.machine.close(), self.model.collector.close()
        assert [array.tobytes() for array in found] == [array.tobytes() for array in expected]
        self._compare()

    def _compared(self, found: Sent, expected: Sent, now_ns: int) -> Sent:
        self._compare()
        return super()._compared(found, expected, now_ns)

    def _compare(self) -> None:
        machine, collector = self.machine, self.model.collector
        assert machine.open == collector.open
        assert machine.first_ns == self.model.first_ns
        assert machine.actions.tobytes() == collector.actions.tobytes()
        assert machine.validity.tobytes() == collector.validity.tobytes()
        assert machine.silent.tolist() == collector.silent.tolist()
        assert machine.counts == self.model.counts
