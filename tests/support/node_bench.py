# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Try one node in the process of the test, and send it messages by hand."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor

from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.tick.messages import Encoding
from mat_ros.core.wire import tick as wire
from mat_ros.core.wire.seal import Seal, read_secret
from mat_ros.nodes import topics
from mat_ros.nodes.chain_node import ChainShell
from mat_ros.nodes.encoder import EncoderNode
from support.places import BUNDLES

ARM = BUNDLES / "rwkv4"
BUNDLE = Bundle.load(ARM)
HOUR_NS = 3_600_000_000_000
LONG_NS = 1_900_000_000  # the longest tick that a node takes is two seconds


class Bench:
    """One node under test, and a hand of the same launch that sends it bytes."""

    begun_ns = 0  # the ticks of a test start just after its beginning

    def __init__(self) -> None:
        Bench.begun_ns = time.monotonic_ns()
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.hand = rclpy.create_node("hand", context=self.context)
        self.executor.add_node(self.hand)
        self.heard: dict[str, list[bytes]] = {}
        self.nodes: list = []
        self._publishers: dict[str, object] = {}

    def open(self, kind: Any, **parameters: object) -> Any:
        """Open a node. Where the test names no tick, a chain node or an encoder takes its time from the test.

        A made-up tick must not age however slow the machine is, and C++ reads the clock itself.
        """
        made_up = kind in (ChainShell, EncoderNode) and "tick" not in parameters
        given = {"policy": ARM, **parameters, **({"tick": "python"} if made_up else {})}
        arguments = [f"-p {name}:={value}".split() for name, value in given.items()]
        node = kind(context=self.context, cli_args=["--ros-args", *(part for pair in arguments for part in pair)],
                    use_global_arguments=False)
        if made_up:
            node.now_ns = lambda: Bench.begun_ns + 1_000_000
        self.nodes.append(node)
        self.executor.add_node(node)
        return node

    def send(self, topic: topics.Topic, data: bytes, secret: bytes | None = None) -> None:
        if topic.name not in self._publishers:
            publisher = self.hand.create_publisher(topic.type, topic.name, topic.qos)
            assert self.until(lambda: publisher.get_subscription_count() > 0)
            self._publishers[topic.name] = publisher
        seal = Seal(read_secret() if secret is None else secret, topic.name)
        self._publishers[topic.name].publish(seal.sign(data))

    def hear(self, topic: topics.Topic) -> list[bytes]:
        heard: list[bytes] = []
        self.hand.create_subscription(topic.type, topic.name, heard.append, topic.qos, raw=True)
        assert self.until(lambda: self.hand.count_publishers(topic.name) > 0)
        return heard

    def until(self, true: Callable[[], object], spins: int = 400) -> bool:
        for _ in range(spins):
            if true():
                return True
            self.executor.spin_once(timeout_sec=0.05)
        return False

    def close(self) -> None:
        for node in (*self.nodes, self.hand):
            self.executor.remove_node(node)
            node.destroy_node()
        rclpy.try_shutdown(context=self.context)
        del self.context, self.executor, self.hand, self.nodes, self._publishers, node
        release()


def release() -> None:
    """Free closed nodes. One that was active is frozen, and its participant would take part in every later graph."""
    gc.unfreeze()
    gc.collect()


def participants() -> int:
    """Count the DDS participants of this process, each of which has one thread for its events."""
    return sum(path.read_text().startswith("dds.ev") for path in Path("/proc/self/task").glob("*/comm"))


@contextmanager
def opened() -> Iterator[Bench]:
    """Open a bench; closing it leaves no participant."""
    release()  # what earlier tests have left
    before = participants()
    bench = Bench()
    yield bench
    bench.close()
    assert participants() == before, "a closed node goes on taking part"


def encoding(tick: int, fill: float = 0.1, ahead_ns: int = 0) -> Encoding:
    network, start_ns = BUNDLE.manifest.network, Bench.begun_ns + tick + ahead_ns
    return Encoding(tick, start_ns, start_ns + LONG_NS, tick,
                    np.full((network.agents, network.enc_dim), fill, np.float32))


def encoded(tick: int, manifest: int = BUNDLE.hash64, **changes) -> bytes:
    return wire.write_encoding(encoding(tick, **changes), np.zeros(4, np.float32), manifest)
