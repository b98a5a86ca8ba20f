# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""What may befall a chain node or an encoder, told to a twin: any message at any time, with any content.

An event is a name and four numbers. The numbers choose among the values that matter, so that a failing story shrinks.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from hypothesis import strategies as st

from mat_ros.backends.native_tick import BATON, DECISION, ENCODING, OBSERVATION
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.tick.messages import Baton, Decision, Encoding, Observation, Override, Prefix, Validity
from mat_ros.core.wire import tick as wire
from mat_ros.core.wire.seal import NO_TAG, TAG_BYTES
from support.tick_twin import CollectorTwin, Twin

MS = 1_000_000
LENGTH_NS = 10 * MS  # of a tick, from its start to its deadline
OLD_NS = 2_000_000_000  # age at which a tick counts as old
HUGE = 2**62
CLOCK_STEPS = (0, 1, MS // 2, MS, 3 * MS, 12 * MS, 20 * MS, -1, -30 * MS, 3 * OLD_NS, -3 * OLD_NS, -HUGE // 4)
FLOATS = (0.0, -0.0, 1e-45, 1.0, 1e30, -3e38, np.inf, np.nan)
NUMBERS = (b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x00\x00\x00\x80", b"\x00\x00\x00\x40", b"\x01\x00\x00\x00")
NUMBER = st.integers(0, 2**16 - 1)


def stories(events: tuple[str, ...], most: int = 60) -> st.SearchStrategy[list[tuple[str, int, int, int, int]]]:
    """Return a strategy for lists of events. Long stories reach what takes several events, and shrink all the same."""
    event = st.tuples(st.sampled_from(events), NUMBER, NUMBER, NUMBER, NUMBER)
    return st.lists(event, min_size=most // 2, max_size=most) | st.lists(event, min_size=1, max_size=most)


def pick(values: Any, number: int) -> Any:
    """Return the value that a number chooses; 0 chooses the first one."""
    return values[number % len(values)]


def clamped(ns: int) -> int:
    return max(-2**63, min(ns, 2**63 - 1))


class Story:
    """Tell events to a twin, and remember each message."""

    def __init__(self, twin: Twin, bundle: Bundle) -> None:
        self.twin, self.manifest, self.hash64 = twin, bundle.manifest, bundle.hash64
        self.now_ns, self.tick = 4 * HUGE // 1000, 5
        self.told: list[tuple[int, int, bytes]] = []  # topics, slots and bytes

    def tell(self, story: list[tuple[str, int, int, int, int]]) -> None:
        with np.errstate(all="ignore"):  # some measurements are as large as a float can be
            for event, *numbers in story:
                getattr(self, event)(*numbers)

    def hear(self, topic: int, slot: int, body: bytes) -> None:
        """Sign a message whose tag is empty, and let the twin hear it."""
        self.told.append((topic, slot, self.twin.seal(topic, slot).sign(body)))
        self.twin.hear(*self.told[-1], self.now_ns)

    # -- events of both kinds of node ------------------------------------------------------------------------------

    def pass_time(self, step: int, *_: int) -> None:
        self.now_ns = clamped(self.now_ns + pick(CLOCK_STEPS, step))

    def poll(self, *_: int) -> None:
        self.twin.poll(self.now_ns)

    def wake(self, offset: int, *_: int) -> None:
        """Poll when the node asks for it, or a nanosecond before or after."""
        if self.twin.wake_ns is not None:
            self.now_ns = self.twin.wake_ns + pick((0, -1, 1), offset)
            self.twin.poll(self.now_ns)

    def repeat(self, which: int, *_: int) -> None:
        if self.told:
            self.twin.hear(*pick(self.told[::-1], which), self.now_ns)

    def corrupt(self, which: int, place: int, bit: int, _: int) -> None:
        """Change a bit of a message, or take it for one of another topic."""
        if self.told:
            topic, slot, data = pick(self.told[::-1], which)
            at = place % len(data)
            self.twin.hear(topic, slot, data[:at] + bytes([data[at] ^ 1 << bit % 8]) + data[at + 1:], self.now_ns)

    def cut(self, which: int, length: int, extra: int, _: int) -> None:
        """Shorten or lengthen a message, and give it the right tag."""
        if self.told:
            topic, slot, data = pick(self.told[::-1], which)
            body = data[:-TAG_BYTES]
            shorter = body[:length % (len(body) + 1)] if extra % 3 else body
            self.twin.hear(topic, slot, self.twin.seal(topic, slot).sign(shorter + bytes(extra % 9) + NO_TAG),
                           self.now_ns)

    def forge(self, which: int, place: int, number: int, _: int) -> None:
        """Put another number into a message, and give it the right tag."""
        if self.told:
            topic, slot, data = pick(self.told[::-1], which)
            at = place % (len(data) - TAG_BYTES - 3)
            if place % 2:  # the header holds most of what can go wrong
                at %= 52
            body = data[:at] + pick(NUMBERS, number) + data[at + 4:]
            self.twin.hear(topic, slot, self.twin.seal(topic, slot).sign(body), self.now_ns)

    # -- parts of messages -----------------------------------------------------------------------------------------

    def next_tick(self, number: int) -> int:
        self.tick = pick((*[self.tick + 1] * 12, self.tick, self.tick + 2, self.tick + 70, 0, 2**64 - 1), number)
        self.tick %= 2**64
        return self.tick

    def times(self, start: int, length: int) -> tuple[int, int]:
        period_ns = self.manifest.period_ns
        start_ns = clamped(self.now_ns + pick((*[0] * 20, -MS, -LENGTH_NS, MS, period_ns, period_ns + 1, -OLD_NS,
                                               -OLD_NS - 1, -2 * OLD_NS, HUGE, -HUGE * 2), start))
        return start_ns, clamped(start_ns + pick((*[LENGTH_NS] * 20, 0, -1, 1, OLD_NS, OLD_NS + 1, 2 * OLD_NS, HUGE,
                                                  -HUGE), length))

    def stamp(self, tick: int, number: int) -> bytes:
        """Return the stamp of an observation, which its tick tells, or now and then another one."""
        own, odd = (tick % 1000, 7), ((tick % 1000, 8), (2**31 - 1, 2**32 - 1), (-2**31, 2**32 - 1))
        return struct.pack("<iI", *pick((*[own] * 16, *odd), number))

    def spoil(self, values: np.ndarray, number: int) -> np.ndarray:
        """Return the values, now and then with another number at some place."""
        values = values.copy()
        if number % 4 == 3 and values.size:
            values.reshape(-1)[number // 4 % values.size] = pick(FLOATS, number // 32)
        return values


class ChainStory(Story):
    """The story of a chain node."""

    EVENTS = ("encoding", "encoding", "encoding", "baton", "baton", "baton", "wake", "pass_time", "poll", "repeat",
              "corrupt", "cut", "forge", "notice")

    def __init__(self, twin: Twin, bundle: Bundle, enc: np.ndarray, heard: tuple[int, ...]) -> None:
        super().__init__(twin, bundle)
        self.enc, self.heard = enc, heard  # encodings (tick, n, enc_dim)
        self.role, self.decider = twin.model.role, twin.model.decider

    def encoding(self, tick: int, start: int, length: int, content: int) -> None:
        number = self.next_tick(tick)
        enc = self.spoil(pick(self.enc, number), content)
        body = wire.write_encoding(Encoding(number, *self.times(start, length), 0, enc), enc[:, 0], self.hash64)
        self.hear(ENCODING, 0, body[:36] + self.stamp(number, content // 7) + body[44:])

    def baton(self, tick: int, slots: int, rank: int, content: int) -> None:
        """Tell the decisions of predecessors, mostly the right ones."""
        if not self.heard:
            return
        number = (self.tick + pick((*[0] * 12, 1, 1, 2, -1, 64, 65, 2**63), tick)) % 2**64
        first, agents = self.role.first, self.role.slots
        decided = min(pick((first, 1 + slots // 5 % first, first + 1, 1 + slots // 5 % agents), slots), agents)
        truth, _ = self.decider.extend(self.decider.start(), number, decided, pick(self.enc, number),
                                       pick((Validity.OWN, Validity.REDECIDED), rank))
        prefix = Prefix(self.spoil(truth.actions, content), truth.validity, self.spoil(truth.state, content // 3))
        if content % 11 == 10:  # wrong sizes and odd origins
            prefix = pick((
                Prefix(prefix.actions, prefix.validity, prefix.state[:-1]),
                Prefix(prefix.actions, prefix.validity, np.append(prefix.state, np.float32(0))),
                Prefix(prefix.actions, prefix.validity[:-1], prefix.state),
                Prefix(prefix.actions, np.append(prefix.validity, np.uint8(0)), prefix.state),
                Prefix(prefix.actions, prefix.validity + np.uint8(200), prefix.state)), content // 11)
        revision = pick((0, 0, 1, 2, 255), rank // 2)
        body = bytearray(wire.write_baton(Baton(number, 0, revision, prefix), self.hash64))
        body[20:28] = self.stamp(number, content // 13)
        self.hear(BATON, pick(self.heard, rank // 3), bytes(body))

    def notice(self, tick: int, slots: int, share: int, _: int) -> None:
        overrides = {}
        for k in range(slots % 3):
            slot = (slots // 3 + k * (1 + slots // 100 % 3)) % self.role.slots
            values = np.resize(np.array([pick((0.0, 1.0, 0.3, -2.0, 1e30), share + a) for a in range(2)], np.float32),
                               self.manifest.network.act_dim)
            overrides[slot] = Override(values, pick((Validity.HELD, Validity.ZERO), share))
        self.twin.notice((self.tick + pick((0, 1, 2, -3, 40), tick)) % 2**64, overrides)


class EncoderStory(Story):
    """The story of an encoder."""

    EVENTS = ("observation", "observation", "observation", "observation", "pass_time", "repeat", "corrupt", "cut",
              "forge")

    def observation(self, tick: int, start: int, length: int, content: int) -> None:
        number = self.next_tick(tick)
        signals = np.random.default_rng(number % 1000).normal(size=self.manifest.layout.signal_count)
        spoilt = self.spoil((signals * pick((1.0, 1e-3, 1e3, 1e37), content // 2)).astype(np.float32), content)
        body = wire.write_observation(Observation(number, *self.times(start, length), 0, content, spoilt), self.hash64)
        self.hear(OBSERVATION, 0, body[:36] + self.stamp(number, content // 7) + body[44:])


class CollectorStory(EncoderStory):
    """The story of the collector of the safety gate."""

    EVENTS = ("begin_new", "begin_new", "begin_new", "observation", "begin", "begin_again", "close", "decisions",
              "decisions", "decision", "decision", "decision", "pass_time", "repeat", "corrupt", "cut", "forge")

    def __init__(self, twin: CollectorTwin, bundle: Bundle) -> None:
        super().__init__(twin, bundle)
        self.gate = twin

    def begin_new(self, *numbers: int) -> None:
        """Tell an observation, with which the gate begins a tick."""
        self.observation(*numbers)
        self.begin()

    def begin(self, *_: int) -> None:
        observation = self.gate.take_observation()
        if observation is not None:
            self.gate.begin(observation.tick, observation.source_ns, observation.deadline_ns, self.now_ns)

    def begin_again(self, *_: int) -> None:
        if self.gate.model.collector.tick is not None:
            self.gate.begin_again()

    def close(self, *_: int) -> None:
        self.gate.close()

    def decisions(self, group: int, silent: int, tick: int, content: int) -> None:
        """Tell the decisions of all owners, mostly in groups of one size; now and then one of them is silent."""
        agents = self.manifest.network.agents
        size = 1 + group % agents
        for first in range(0, agents, size):
            if silent % 2 == 0 or first // size != silent // 2 % (agents // size + 1):
                self.tell_decision(self.number(tick), first, min(first + size, agents), agents, 0, content + first)

    def decision(self, tick: int, slots: int, rank: int, content: int) -> None:
        agents = self.manifest.network.agents
        first = slots % agents
        stop = pick((first + 1, first + 1, first + 2, agents, first, first + 7, 2**16), slots // 5)
        size = pick((agents, agents, stop, stop, agents + 1, 0, first), slots // 40)
        self.tell_decision(self.number(tick), first, max(1, min(stop, 2**16)), min(size, 100),
                           pick((0, 1, 2, 255), rank), content)

    def number(self, tick: int) -> int:
        return (self.tick + pick((*[0] * 20, 1, 1, 2, -1, -2, -3, 64, 65), tick)) % 2**64

    def tell_decision(self, tick: int, first: int, stop: int, size: int, revision: int, content: int) -> None:
        random = np.random.default_rng(content)
        actions = self.spoil(random.normal(size=(size, self.manifest.network.act_dim)).astype(np.float32), content)
        validity = random.choice(np.array([0, 0, 0, 1, 1, 2, 3, 255, 77], np.uint8), size)
        body = bytearray(wire.write_decision(Decision(tick, 0, revision, first, stop, actions, validity),
                                             self.hash64))
        body[20:28] = self.stamp(tick, content // 7)
        self.hear(DECISION, 0, bytes(body))
