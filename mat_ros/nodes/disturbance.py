# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Lose, delay, double and reorder messages at the node that receives them, as the injector says; else be nothing."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mat_ros.core.errors import Refused
from mat_ros.core.faults.injection import Lease
from mat_ros.core.faults.network import deliveries
from mat_ros.core.faults.targets import targets
from mat_ros.core.tick.wiring import ENCODER, spans
from mat_ros.core.wire import tick as wire
from mat_ros.nodes import topics
from mat_ros.nodes.alarm import Alarm
from mat_ros.nodes.topics import Topic

if TYPE_CHECKING:
    from mat_ros.nodes.shell import Shell

Taker = Callable[[bytes], None]


class Disturbance:
    """Stand between a subscription and its handler. The core behind it never learns that anything was broken."""

    def __init__(self, node: Shell) -> None:
        self._node = node
        self._lease = Lease(("message",), targets(node.manifest))
        chain = spans(node.manifest)
        self._by_first = {span.first: span.name for span in chain}
        self._by_topic = {topics.baton(span.stop - 1).name: span.name for span in chain}
        self._by_topic[topics.ENCODING.name] = ENCODER
        self._waiting: list[tuple[int, int, bytes, Taker]] = []
        self._numbers = itertools.count()
        self._alarm = Alarm(node, self._ring)
        self._tick = 0
        node.hear_messages(topics.INJECTION, self._heard)

    def deliver(self, topic: Topic, data: bytes, take: Taker) -> None:
        """Hand a message on now, later, more than once, or never."""
        self._tick = int.from_bytes(data[wire.TICK], "little")
        schedule = self._lease.schedule(self._node.now_ns())
        sender = self._by_topic.get(topic.name)
        if topic.name == topics.DECISION.name:
            sender = self._by_first.get(int.from_bytes(data[wire.FIRST_SLOT], "little"))
        if schedule is None or sender is None:
            take(data)
            return
        for late in deliveries(schedule, f"{sender}->{self._node.get_name()}", self._tick):
            if late:
                heapq.heappush(self._waiting, (self._node.now_ns() + late, next(self._numbers), data, take))
            else:
                take(data)
        if self._waiting:
            self._alarm.set(self._waiting[0][0], self._node.now_ns())

    def _heard(self, message: Any) -> None:
        if message.manifest != self._node.bundle.hash64:
            return
        try:
            self._lease.renew(message.seed, message.ids, message.levels, message.kinds, message.targets,
                              message.severities, message.ticks, message.lease_ms, self._tick + 1, self._node.now_ns())
        except Refused:
            self._node.counts["refused"] += 1

    def _ring(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._node.now_ns():
            _, _, data, take = heapq.heappop(self._waiting)
            if self._node.active:
                take(data)
        if self._waiting:
            self._alarm.set(self._waiting[0][0], self._node.now_ns())
