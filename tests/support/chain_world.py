# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Chains over an arithmetic policy: what one process decides, and a simulated chain that meets a fate in every tick."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np

from mat_ros.core.faults.network import SimulatedChain
from mat_ros.core.faults.schedule import Fault, Schedule
from mat_ros.core.policy.manifest import Network, StateLayout
from mat_ros.core.tick.chain import ChainNode
from mat_ros.core.tick.collect import Collector
from mat_ros.core.tick.decide import Decider
from mat_ros.core.tick.messages import Decision, Encoding, Override, Validity
from mat_ros.core.tick.wiring import ENCODER, SAFETY, Span
from support.arithmetic import Arithmetic

PERIOD_NS = 16_000_000
DEADLINE_NS = 10_000_000  # after the start of a tick
ENC_DIM, ACT_DIM, ROW = 3, 2, 4
# What a node and its messages may meet in a tick; each fate of a message is a kind and a severity of a fault.
FATES = ("on time", "late", "lost", "duplicated", "reordered", "crash", "restart")
BROKEN = {"late": ("delay", PERIOD_NS * 1e-6), "lost": ("drop", 1.0), "duplicated": ("duplicate", 1.0),
          "reordered": ("reorder", 1.0)}


def network(slots: int) -> Network:
    return Network("attention", "rwkv4", True, slots, 5, ACT_DIM, ENC_DIM, ENC_DIM, 1, 1)


def policy(slots: int, grows: bool = False) -> Arithmetic:
    return Arithmetic(network(slots), StateLayout(grows, ROW, ("sum",)))


def decider(slots: int, grows: bool = False) -> Decider:
    backend = policy(slots, grows)
    return Decider(backend, backend.network, backend.state)


@functools.cache
def encoding(tick: int, slots: int, episode: int = 0) -> Encoding:
    start = (episode * 100_000 + tick) * PERIOD_NS
    enc = np.random.default_rng((episode, tick)).normal(size=(slots, ENC_DIM)).astype(np.float32)
    return Encoding(tick, start, start + DEADLINE_NS, start - 1_000_000, enc)


def decide_centrally(tick: int, slots: int, grows: bool = False, overrides=None) -> np.ndarray:
    if not overrides:
        return _decide_healthy(tick, slots, grows)
    decide = decider(slots, grows)
    return decide.extend(decide.start(), tick, slots, encoding(tick, slots).enc, Validity.OWN, overrides)[1]


@functools.cache
def _decide_healthy(tick: int, slots: int, grows: bool) -> np.ndarray:
    return decide_centrally(tick, slots, grows, {-1: None})


@dataclass
class Bench:
    """Run ticks of a simulated chain. The fates of a tick say what happens to each node and to what it sends."""

    slots: int
    mode: str = "strict"
    nodes_at: tuple[tuple[int, int], ...] = ()  # [first, stop) of each node; default: one slot each
    baton: str = "always"
    reach: int = 2  # batons go to this many next nodes
    grows: bool = False
    overrides: dict[int, Override] = field(default_factory=dict)
    own: dict[int, Override] = field(default_factory=dict)  # known to the owner's node alone

    def __post_init__(self) -> None:
        ends = self.nodes_at or tuple((k, k + 1) for k in range(self.slots))
        self.spans = tuple(Span(f"n{k}", first, stop) for k, (first, stop) in enumerate(ends))
        self.chain = SimulatedChain(decider(self.slots, self.grows), self.spans, self.slots, self.mode,
                                    baton=self.baton, reach=self.reach)
        self.collector = Collector(self.slots, ACT_DIM)
        self.last_decision_ns = 0  # after the start of the tick
        self._tell()

    @property
    def nodes(self) -> list[ChainNode]:
        return self.chain.nodes

    def _tell(self) -> None:
        """Tell every node what it may know of broken joints; a new node has not been told yet."""
        for node in self.nodes:
            node.shared = self.overrides
            node.own = {slot: o for slot, o in self.own.items() if node.role.first <= slot < node.role.stop}

    def tick(self, tick: int, fates=None, cut_off=()) -> np.ndarray:
        """Run a tick up to its deadline; return the actions that the gate has then, NaN where none."""
        fates = tuple(fates or ["on time"] * len(self.nodes))
        for k, fate in enumerate(fates):
            if fate == "restart":
                self.chain.restart(k)
        self._tell()
        heard = encoding(tick, self.slots)

        def reached(decision: Decision) -> None:
            if decision.tick == tick and decision.revision == 0:
                self.last_decision_ns = self.chain.now_ns - heard.start_ns

        self.collector.begin(tick)
        self.chain.tick(heard, trouble(fates, self.reach, tuple(cut_off)), self.collector, reached)
        return self.collector.actions.copy()


@functools.cache
def trouble(fates: tuple[str, ...], reach: int, cut_off: tuple[int, ...] = ()) -> Schedule:
    """Return the schedule that lets nodes n0, n1, ... meet their fates; those that are cut off hear no encoding."""
    faults = [Fault(f"{k} is cut off", "message", "drop", f"{ENCODER}->n{k}", 1.0, 0) for k in cut_off]
    for k, fate in enumerate(fates):
        if fate == "crash":
            faults.append(Fault(f"{k} crashes", "node", "crash", f"n{k}", 1.0, 0))
        if fate in BROKEN:
            kind, severity = BROKEN[fate]
            hearers = [f"n{later}" for later in range(k + 1, min(k + 1 + reach, len(fates)))]
            faults += [Fault(f"{k} to {hearer}", "message", kind, f"n{k}->{hearer}", severity, 0)
                       for hearer in (*hearers, SAFETY)]
    return Schedule(0, faults)
