# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A chain of nodes on a bench: fake clock, fake policy, and links whose every message can be late, lost or doubled."""

from __future__ import annotations

import functools
import heapq
import itertools
from dataclasses import dataclass, field

import numpy as np

from mat_ros.core.clock import FakeClock
from mat_ros.core.policy.manifest import Network, StateLayout
from mat_ros.core.tick.chain import ChainNode, Patience, Role
from mat_ros.core.tick.collect import Collector
from mat_ros.core.tick.decide import Decider
from mat_ros.core.tick.messages import Baton, Decision, Encoding, Override

PERIOD_NS = 16_000_000
DEADLINE_NS = 10_000_000  # after the start of a tick
HOP_NS = 300_000
ENC_DIM, ACT_DIM, ROW = 3, 2, 4
FATES = ("on time", "late", "lost", "duplicated", "reordered", "crash", "restart")


def network(slots: int) -> Network:
    return Network("attention", "rwkv4", True, slots, 5, ACT_DIM, ENC_DIM, ENC_DIM, 1, 1)


class Arithmetic:
    """A policy of three lines whose every output depends on every input, so that nothing can be mixed up unseen."""

    def __init__(self, grows: bool = False) -> None:
        self.layout = StateLayout(grows, ROW, ("sum",))
        self.steps = 0

    def step(self, slot, enc, previous, state):
        self.steps += 1
        mixed = np.float32(0.5) * np.tanh(state.sum() + enc.sum() + np.float32(2) * previous.sum() + np.float32(slot))
        action = np.array([mixed, mixed * enc[0]], np.float32)
        row = np.resize(np.concatenate([enc, previous]), ROW).astype(np.float32) * np.float32(0.9)
        return action, np.concatenate([state, row]) if self.layout.grows else state * np.float32(0.5) + row


@functools.cache
def encoding(tick: int, slots: int, episode: int = 0) -> Encoding:
    start = (episode * 100_000 + tick) * PERIOD_NS
    enc = np.random.default_rng((episode, tick)).normal(size=(slots, ENC_DIM)).astype(np.float32)
    return Encoding(tick, start, start + DEADLINE_NS, start - 1_000_000, enc)


def decide_centrally(tick: int, slots: int, grows: bool = False, overrides=None) -> np.ndarray:
    if not overrides:
        return _decide_healthy(tick, slots, grows)
    policy = Arithmetic(grows)
    decider = Decider(policy, network(slots), policy.layout)
    _, intended = decider.extend(decider.start(), tick, slots, encoding(tick, slots).enc, 0, overrides)
    return intended


@functools.cache
def _decide_healthy(tick: int, slots: int, grows: bool) -> np.ndarray:
    return decide_centrally(tick, slots, grows, {-1: None})


@dataclass
class Bench:
    """Run ticks of a chain. `fate(tick, node)` says what happens to a node and its messages in a tick."""

    slots: int
    mode: str = "strict"
    nodes_at: tuple[tuple[int, int], ...] = ()  # [first, stop) of each node; default: one slot each
    baton: str = "always"
    reach: int = 2  # batons go to this many next nodes
    grows: bool = False
    backup: bool = True
    overrides: dict[int, Override] = field(default_factory=dict)
    own: dict[int, Override] = field(default_factory=dict)  # known to the owner's node alone

    def __post_init__(self) -> None:
        self.spans = self.nodes_at or tuple((k, k + 1) for k in range(self.slots))
        self.nodes = [self.make(k) for k in range(len(self.spans))]
        self.alive = [True] * len(self.spans)
        self.collector = Collector(self.slots, ACT_DIM)
        self.clock = FakeClock()
        self.events: list = []  # (time, number, what)
        self.numbers = itertools.count()
        self.last_decision_ns = 0  # after the start of the tick

    def make(self, k: int) -> ChainNode:
        first, stop = self.spans[k]
        policy = Arithmetic(self.grows)
        patience = Patience.of(self.mode, 1_000_000 if self.mode == "bounded" else 0)
        node = ChainNode(Decider(policy, network(self.slots), policy.layout),
                         Role(self.slots, first, stop, patience, self.baton, self.backup and k == 0))
        node.shared = self.overrides
        node.own = {slot: o for slot, o in self.own.items() if first <= slot < stop}
        return node

    def at(self, time_ns: int, what) -> None:
        heapq.heappush(self.events, (time_ns, next(self.numbers), what))

    def send(self, k: int, messages, fate: str) -> None:
        """Put what a node sends on its way, as its fate says."""
        now = self.clock.now_ns()
        delay = {"late": PERIOD_NS + HOP_NS, "reordered": 3 * HOP_NS}.get(fate, HOP_NS)
        for message in messages:
            if fate == "lost":
                continue
            copies = 2 if fate == "duplicated" else 1
            following = range(k + 1, min(k + 1 + self.reach, len(self.nodes)))
            targets = [None] if isinstance(message, Decision) else following
            for target, _ in itertools.product(targets, range(copies)):
                self.at(now + delay, (target, message))

    def deliver(self, target, message, fates) -> None:
        now = self.clock.now_ns()
        if target is None:
            if self.collector.add(message) and message.revision == 0:
                self.last_decision_ns = now - self.start_ns
        elif message is None:
            self.send(target, self.nodes[target].poll(now), fates[target])
        elif self.alive[target]:
            heard = self.nodes[target].on_baton if isinstance(message, Baton) else self.nodes[target].on_encoding
            self.send(target, heard(message, now), fates[target])
            if self.nodes[target].wake_ns is not None:
                self.at(max(now, self.nodes[target].wake_ns), (target, None))

    def tick(self, tick: int, fates=None, cut_off=()) -> np.ndarray:
        """Run a tick up to its deadline; give the actions that the gate has then, NaN where none."""
        fates = fates or ["on time"] * len(self.nodes)
        for k, fate in enumerate(fates):
            if fate == "crash":
                self.alive[k] = False
            elif fate == "restart" or not self.alive[k]:
                self.nodes[k], self.alive[k] = self.make(k), True  # a supervisor has started it anew
        heard = encoding(tick, self.slots)
        self.start_ns = heard.start_ns
        self.clock.advance(heard.start_ns - self.clock.now_ns())
        self.collector.begin(tick)
        for k in range(len(self.nodes)):
            if self.alive[k] and k not in cut_off:
                self.at(heard.start_ns + HOP_NS, (k, heard))
        while self.events and self.events[0][0] < heard.deadline_ns:
            time_ns, _, (target, message) = heapq.heappop(self.events)
            self.clock.advance(max(0, time_ns - self.clock.now_ns()))
            self.deliver(target, message, fates)
        return self.collector.actions.copy()
