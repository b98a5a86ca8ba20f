# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Apply the message and node faults of a schedule. No other module applies faults to the graph.

Every receiver calls `deliveries` for each message, on the live graph and in the simulated one alike. `SimulatedChain`
runs a whole chain in one process under simulated time. Every node is the real `ChainNode`, and every hop takes a fixed
time. The schedule delays, drops, duplicates and reorders messages, and stops nodes.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence

from mat_ros.core.faults.schedule import Schedule
from mat_ros.core.tick.chain import ChainNode, Patience, Role, usual_baton
from mat_ros.core.tick.collect import Collector
from mat_ros.core.tick.decide import Decider
from mat_ros.core.tick.messages import Baton, Decision, Encoding
from mat_ros.core.tick.wiring import BATON_REACH, ENCODER, SAFETY, Span

HOP_NS = 360_000  # time of a message from process to process, as measured on the loopback
RESTART_NS = 600_000_000  # time from the end of a process until its successor receives messages, as measured
OVERTAKEN_HOPS = 3  # delay of a message that the next one overtakes
PERIOD_NS = 1_000_000_000  # of the nodes; simulated time has a single clock, so no tick comes early
BUDGET_NS = 1_000_000  # bounded mode: how long a slot waits for each slot before it, as by default in a launch


def deliveries(schedule: Schedule, link: str, tick: int) -> tuple[int, ...]:
    """Return the delay in ns of each copy of a message of a tick on a link; empty where the message is lost."""
    copies: tuple[int, ...] = (0,)
    for fault in schedule.active(tick):
        if (fault.level, fault.target) != ("message", link):
            continue
        if fault.kind == "delay":
            copies = tuple(late + round(fault.severity * 1e6) for late in copies)
        elif schedule.uniform(fault, tick)[0] < fault.severity:
            copies = {"drop": (), "duplicate": (*copies, *copies), "reorder": tuple(
                late + OVERTAKEN_HOPS * HOP_NS for late in copies)}[fault.kind]
    return copies


class SimulatedChain:
    """Run a chain of nodes whose processes and messages break on schedule, tick by tick in simulated time."""

    def __init__(self, decider: Decider, spans: Sequence[Span], slots: int, mode: str = "optimistic", *,
                 baton: str = "", reach: int = BATON_REACH) -> None:
        """Make a node for each span of slots. A node sends its baton to the next `reach` nodes.

        `baton` is one of `chain.BATONS`, or empty for the usual choice of the mode.
        """
        self.spans, self.slots = tuple(spans), slots
        self._decider, self._reach = decider, reach
        self._patience = Patience.of(mode, BUDGET_NS if mode == "bounded" else 0)
        self._baton = baton or usual_baton(mode)
        self.nodes = [self._make(k) for k in range(len(self.spans))]
        self.now_ns = 0  # arrival time of the message that is being delivered
        self.latency_ns = 0  # time from the start of the tick until every slot has a decision, else until the deadline
        self._arrived: Callable[[Decision], None] | None = None
        self._down_until = [0] * len(self.spans)
        self._events: list[tuple[int, int, int | None, Encoding | Baton | Decision | None]] = []
        self._numbers = itertools.count()

    def _make(self, k: int) -> ChainNode:
        span = self.spans[k]
        role = Role(self.slots, span.first, span.stop, self._patience, self._baton, backup=k == 0)
        return ChainNode(self._decider, role, PERIOD_NS)

    def restart(self, k: int) -> None:
        """Replace a node by a new one, which has none of the old node's state."""
        self.nodes[k] = self._make(k)

    def tick(self, encoding: Encoding, schedule: Schedule, collector: Collector,
             arrived: Callable[[Decision], None] | None = None) -> None:
        """Run a tick up to its deadline. The collector, which must be at this tick, receives the decisions in time.

        `arrived` is called with each decision that reaches the gate, also with late decisions of earlier ticks.
        """
        self._collector, self._arrived = collector, arrived
        self._break_nodes(encoding, schedule)
        self.latency_ns = encoding.deadline_ns - encoding.start_ns
        for k in range(len(self.spans)):
            self._send(schedule, encoding.tick, ENCODER, k, encoding, encoding.start_ns)
        while self._events and self._events[0][0] < encoding.deadline_ns:
            self.now_ns, _, target, message = heapq.heappop(self._events)
            self._deliver(self.now_ns, target, message, encoding, schedule)

    def _break_nodes(self, encoding: Encoding, schedule: Schedule) -> None:
        for k, span in enumerate(self.spans):
            for fault in schedule.active(encoding.tick):
                if (fault.level, fault.target) != ("node", span.name):
                    continue
                if fault.kind == "restart":
                    if encoding.tick == fault.start:
                        self._down_until[k] = encoding.start_ns + RESTART_NS
                else:
                    self._down_until[k] = encoding.deadline_ns
                if fault.kind != "hang":
                    self.restart(k)

    def _send(self, schedule: Schedule, tick: int, sender: str, target: int | None,
              message: Encoding | Baton | Decision, now: int) -> None:
        receiver = SAFETY if target is None else self.spans[target].name
        for late in deliveries(schedule, f"{sender}->{receiver}", tick):
            self._at(now + HOP_NS + late, target, message)

    def _at(self, time_ns: int, target: int | None, message: Encoding | Baton | Decision | None) -> None:
        heapq.heappush(self._events, (time_ns, next(self._numbers), target, message))

    def _deliver(self, now: int, target: int | None, message: Encoding | Baton | Decision | None, encoding: Encoding,
                 schedule: Schedule) -> None:
        if target is None:
            assert isinstance(message, Decision)
            if self._arrived is not None:
                self._arrived(message)
            if self._collector.add(message) and self._collector.complete:
                self.latency_ns = min(self.latency_ns, now - encoding.start_ns)
            return
        node = self.nodes[target]
        if now < self._down_until[target]:
            return
        if message is None:
            said = node.poll(now)
        elif isinstance(message, Baton):
            said = node.on_baton(message, now)
        else:
            assert isinstance(message, Encoding)
            said = node.on_encoding(message, now)
        for spoken in said:
            if isinstance(spoken, Decision):
                self._send(schedule, spoken.tick, self.spans[target].name, None, spoken, now)
            else:
                for later in range(target + 1, min(target + 1 + self._reach, len(self.spans))):
                    self._send(schedule, spoken.tick, self.spans[target].name, later, spoken, now)
        if node.wake_ns is not None and message is not None:
            self._at(max(now, node.wake_ns), target, None)
