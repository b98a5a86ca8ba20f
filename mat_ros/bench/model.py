# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Predict the median time of a tick from the number of cores and from what each process uses per tick.

The model plays one tick. Each step of a thread waits for its message, then for a free core, and then holds the core
for the time that was measured. The gate has the higher priority, as on real-time graphs, and no step interrupts
another. A core that was idle needs some time to wake. The model has no constant that is not measured.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from mat_ros.bench.threads import ThreadCost

CORES = (1, 2, 4, 8, 16)
RECEIVER = "dds.udp"  # thread of Fast DDS that receives messages and runs the tick in C++
BELL = "safety"  # thread of the gate that runs its Python; it has the name of the process
Emission = tuple[float, Callable[[], None]]  # time in µs after the beginning of a step, and what happens then


@dataclass(frozen=True)
class Costs:
    """Hold the core time that each step of a tick needs, in µs, and the time to wake an idle core."""

    source: float  # of the node that begins the tick, until the observation is sent
    encode: float  # of the encoder, without sending
    send: float  # of the encoder, for each reader of its encodings
    node: float  # of a chain node: receive, decide and send
    gather: float  # of the gate, for each decision
    apply: float  # of the gate, from the last decision to the applied command
    wake: float


class Cores:
    """Let steps of threads take turns on some cores: the higher priority first, then the one that is ready first."""

    def __init__(self, count: int, wake_us: float) -> None:
        self.now_us = 0.0
        self._idle, self._wake_us, self._number = count, wake_us, itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []  # what happens, by its time
        self._waiting: list[tuple[int, int, float, Sequence[Emission]]] = []  # steps that are ready

    def begin(self, priority: int, cost_us: float, *emissions: Emission) -> None:
        """Add a step that is ready now. An emission happens at its time after the beginning of the step."""
        heapq.heappush(self._waiting, (-priority, next(self._number), cost_us, emissions))
        if self._idle:
            self._start(self._wake_us)

    def run(self) -> None:
        """Run all steps, and those that follow from them."""
        while self._events:
            self.now_us, _, happen = heapq.heappop(self._events)
            happen()

    def _start(self, delay_us: float) -> None:
        """Let the first of the steps that wait begin on a core."""
        self._idle -= 1
        _, _, cost, emissions = heapq.heappop(self._waiting)
        for after_us, happen in emissions:
            self._at(delay_us + after_us, happen)
        self._at(delay_us + cost, self._end)

    def _end(self) -> None:
        self._idle += 1
        if self._waiting:
            self._start(0.0)

    def _at(self, after_us: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now_us + after_us, next(self._number), happen))


def predict_us(costs: Costs, slots: int, mode: str, cores: int) -> float:
    """Return the time of a tick with a chain node for each slot, from its start to the applied command."""
    played, decided, applied = Cores(cores, costs.wake), itertools.count(1), list[float]()

    def encode() -> None:
        readers = [partial(node, k) for k in range(slots if mode == "optimistic" else 1)]
        sends = [(costs.encode + (k + 1) * costs.send, reader) for k, reader in enumerate(readers)]
        played.begin(0, costs.encode + slots * costs.send, *sends)

    def node(slot: int) -> None:
        onward = [(costs.node, partial(node, slot + 1))] if mode == "strict" and slot + 1 < slots else []
        played.begin(0, costs.node, *onward, (costs.node, gather))

    def gather() -> None:
        played.begin(1, costs.gather, (costs.gather, gathered))

    def gathered() -> None:
        if next(decided) == slots:
            played.begin(1, costs.apply, (costs.apply, lambda: applied.append(played.now_us)))

    played.begin(0, costs.source, (costs.source, encode))
    played.run()
    return applied[0] - costs.wake  # the source is awake when the tick starts


def costs_of(threads: Sequence[ThreadCost], slots: int, source_us: float, encode_us: float, wake_us: float) -> Costs:
    """Return the costs of the steps from what the threads of a graph used per tick.

    `source_us` is the time from the start of a tick until a reader on another core has the observation.
    """
    def used(role: str, *names: str) -> float:
        return sum(cost.us for cost in threads if cost.role == role and cost.thread in names)

    encoder = used("encoder", RECEIVER)
    return Costs(max(source_us - wake_us, 0.0), min(encode_us, encoder), max(encoder - encode_us, 0.0) / slots,
                 used("chain_node", RECEIVER), used("safety", RECEIVER) / slots, used("safety", BELL), wake_us)
