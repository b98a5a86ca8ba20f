# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Make the ends of a node's topics, count the other ends, and drop messages that are not of this launch and policy."""

from __future__ import annotations

import struct
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message, serialize_message

from mat_ros.backends.backend import Backend
from mat_ros.backends.native_backend import NativeBackend
from mat_ros.backends.native_tick import NativeMachine
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.wire import tick as wire
from mat_ros.core.wire.seal import Seal, read_secret
from mat_ros.graph.tick_choice import TickNeeds, choose_tick
from mat_ros.nodes.disturbance import Disturbance
from mat_ros.nodes.loop import Handling, Hearing, Loop, lacking
from mat_ros.nodes.topics import Topic


class Ends(LifecycleNode):
    """Hold the publishers and subscriptions of a node, or the loop in C++ that has them."""

    settings: Any
    bundle: Bundle

    def __init__(self, *arguments: Any, **node_arguments: Any) -> None:
        self._entities: list[Callable[[], object]] = []  # functions that destroy what `set_up` has made
        self.loop: Loop | None = None  # runs the tick in C++; None: the handlers of `hear` run it
        self._tick_choice = ""  # what runs the tick, and why; empty where the node has no choice
        # The number of connected other ends, by topic. An end's own count stays too low for ever when two ends appear
        # at the same moment (Fast DDS before 3.6.2, eProsima/Fast-DDS#6371). The participant's count is right.
        self._other_ends: dict[str, Callable[[], int]] = {}
        self._disturbance: Disturbance | None = None  # breaks messages on their way to the node
        self._handling = Handling(0, 0)  # of messages of the tick, by the handlers of `hear`
        self.counts: Counter[str] = Counter()  # counts in the reports: messages dropped, ticks, ...
        self.active = False
        self._secret = read_secret()
        super().__init__(*arguments, **node_arguments)

    @property
    def handling(self) -> Handling:
        """Return how many messages of the tick the node has handled, and in which time."""
        return self.loop.handling() if self.loop is not None else self._handling

    def close_ends(self) -> None:
        """Destroy everything that `set_up` has made."""
        self._disturbance = self.loop = None
        self._tick_choice = ""
        while self._entities:
            self._entities.pop()()
        self._other_ends.clear()

    def announce(self, topic: Topic) -> Callable[[bytes], None]:
        """Make a publisher, and return its function that publishes a message: its bytes or an object."""
        publisher = self.create_publisher(topic.type, topic.name, topic.writer)
        self._entities.append(lambda: self.destroy_publisher(publisher))
        self._count_ends(topic, publisher.get_subscription_count, self.count_subscribers)
        return self._publisher_of(topic, publisher)

    def _publisher_of(self, topic: Topic, publisher: Any) -> Callable[[Any], None]:
        """Return the function that publishes a message, with its tag where the topic is sealed."""
        if not topic.sealed:
            return publisher.publish
        seal = Seal(self._secret, topic.name)

        def publish(message: Any) -> None:
            data = message if isinstance(message, bytes) else serialize_message(message)
            publisher.publish(seal.sign(data))

        return publish

    def hear(self, topic: Topic, handler: Callable[[bytes], None]) -> None:
        """Pass the bytes of each message of this launch and policy to `handler` while active; count all others."""
        manifest, seal = struct.pack("<Q", self.bundle.hash64), Seal(self._secret, topic.name)

        def heard(data: bytes) -> None:
            if not self.active:
                return
            if not seal.holds(data):
                self.counts["foreign"] += 1
            elif data[wire.MANIFEST] != manifest:
                self.counts["other_policy"] += 1
            elif self._disturbance is not None:
                self._disturbance.deliver(topic, data, taken)
            else:
                taken(data)

        def taken(data: bytes) -> None:
            if not self.active:  # a delayed message may come after the node has become inactive
                return
            begun_ns = time.perf_counter_ns()
            try:
                handler(data)
            except (ValueError, struct.error):  # the message is too short, of a wrong size or not finite
                self.counts["refused"] += 1
            self._handling = Handling(self._handling.messages + 1,
                                      self._handling.ns + time.perf_counter_ns() - begun_ns)

        self.hear_bytes(topic, heard, topic.qos if self.settings.reliable else topic.best_effort)

    def hear_bytes(self, topic: Topic, handler: Callable[[bytes], None], qos: QoSProfile) -> None:
        """Pass each message of a topic to `handler` as bytes, whether the node is active or not."""
        subscription = self.create_subscription(topic.type, topic.name, handler, qos, raw=True)
        self._entities.append(lambda: self.destroy_subscription(subscription))
        self._count_ends(topic, subscription.get_publisher_count, self.count_publishers)

    def hear_messages(self, topic: Topic, handler: Callable[[Any], None],
                      stranger: Callable[[Any], None] | None = None) -> None:
        """Pass each message of a topic outside the tick to `handler` as an object, also while the node is inactive.

        A sealed message of another launch goes to `stranger`, or is counted and dropped.
        """
        seal = Seal(self._secret, topic.name)

        def heard(data: bytes) -> None:
            ours = seal.holds(data)
            if not ours:
                self.counts["foreign"] += 1
            take = handler if ours else stranger
            if take is not None:
                take(deserialize_message(data, topic.type))

        subscription = self.create_subscription(topic.type, topic.name, heard if topic.sealed else handler, topic.qos,
                                                raw=topic.sealed)
        self._entities.append(lambda: self.destroy_subscription(subscription))

    def runs_natively(self, backend: Backend, sampled: bool = False,
                      replicated: bool = False) -> TypeGuard[NativeBackend]:
        """Return whether C++ runs the tick of this node. Log the reason where it does not."""
        return self.ticks_natively(TickNeeds(backend.info().name, sampled, replicated, self.settings.inject, lacking()))

    def ticks_natively(self, needs: TickNeeds) -> bool:
        """Return whether C++ runs a tick with such needs. Log the reason where it does not."""
        choice = choose_tick(self.settings.tick, needs)
        self._tick_choice = str(choice)
        if not choice.native:
            self.get_logger().info(f"tick: {choice}")
        return choice.native

    def run_loop(self, machine: NativeMachine, heard: Sequence[tuple[Topic, int, int]],
                 announced: Sequence[tuple[Topic, int]], hearing: Hearing, bell: int | None = None) -> None:
        """Let C++ take the topics of the tick, in place of `hear` and `announce`.

        A topic comes with its number in the machine; a topic that the node reads comes with its last slot as well.
        The loop writes the eventfd `bell` when the machine has something for the node.
        """
        loop = Loop(self, machine, hearing, self.settings.clock == "system")
        self._entities.append(loop.close)
        for topic, number in announced:
            self._count_ends(topic, loop.announce(topic, number), self.count_subscribers)
        for topic, number, slot in heard:
            self._count_ends(topic, loop.hear(topic, number, slot, self.settings.reliable), self.count_publishers)
        if bell is not None:
            loop.ring(bell)
        loop.begin()
        self.loop = loop

    def _count_ends(self, topic: Topic, own: Callable[[], int], participants: Callable[[str], int]) -> None:
        self._other_ends[topic.name] = lambda: max(own(), participants(self.resolve_topic_name(topic.name)))

    def heard_injection(self, message: Any) -> None:
        """Renew the faults of the messages to this node."""
        try:
            if self._disturbance is not None:
                self._disturbance.renew(message)
        except Refused:
            self.counts["refused"] += 1
