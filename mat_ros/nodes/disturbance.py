# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Drop, delay, duplicate and reorder messages at the receiving node, as an injection states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mat_ros.core.faults.delay_line import DelayLine
from mat_ros.core.faults.injection import Lease
from mat_ros.core.faults.network import deliveries
from mat_ros.core.faults.targets import targets
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.tick.wiring import ENCODER, spans
from mat_ros.core.wire import tick as wire
from mat_ros.nodes import topics
from mat_ros.nodes.alarm import Alarm
from mat_ros.nodes.topics import Topic

Taker = Callable[[bytes], None]


class Disturbance:
    """Disturb messages between a subscription and its handler; the core receives no notice of the fault."""

    def __init__(self, receiver: str, bundle: Bundle, now_ns: Callable[[], int],
                 make_alarm: Callable[[Callable[[], None]], Alarm]) -> None:
        """Disturb no message until an injection comes; `receiver` is the name of the receiving node."""
        self._receiver, self._bundle, self._now_ns = receiver, bundle, now_ns
        self._lease = Lease(("message",), targets(bundle.manifest))
        chain = spans(bundle.manifest)
        self._by_first = {span.first: span.name for span in chain}
        self._by_topic = {topics.baton(span.stop - 1).name: span.name for span in chain}
        self._by_topic[topics.ENCODING.name] = ENCODER
        self._line: DelayLine[tuple[Taker, bytes]] = DelayLine()
        self._alarm = make_alarm(self._ring)
        self._tick = 0

    def renew(self, message: Any) -> None:
        """Take an injection; its faults hold from the next tick on."""
        if message.manifest == self._bundle.hash64:
            self._lease.renew(message.seed, message.ids, message.levels, message.kinds, message.targets,
                              message.severities, message.ticks, message.lease_ms, self._tick + 1, self._now_ns())

    def deliver(self, topic: Topic, data: bytes, take: Taker) -> None:
        """Pass a message to its handler now, later, more than once, or never."""
        self._tick = int.from_bytes(data[wire.TICK], "little")
        now_ns = self._now_ns()
        schedule = self._lease.schedule(now_ns)
        sender = self._by_topic.get(topic.name)
        if topic.name == topics.DECISION.name:
            sender = self._by_first.get(int.from_bytes(data[wire.FIRST_SLOT], "little"))
        if schedule is None or sender is None:
            take(data)
            return
        delays_ns = deliveries(schedule, f"{sender}->{self._receiver}", self._tick)
        for _ in self._line.send((take, data), delays_ns, now_ns):
            take(data)
        self._alarm.set(self._line.next_ns, self._now_ns())

    def clear(self) -> None:
        """Drop the delayed messages; the node has become inactive."""
        self._line.clear()
        self._alarm.clear()

    def _ring(self) -> None:
        for take, data in self._line.due(self._now_ns()):
            take(data)
        self._alarm.set(self._line.next_ns, self._now_ns())
