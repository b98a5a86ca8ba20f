# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Receive the messages of a running graph in a thread of its own, and pass them to a `GraphWatch`."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions

try:
    from rclpy.experimental import EventsExecutor as Executor
except ImportError:  # ROS before Jazzy
    from rclpy.executors import SingleThreadedExecutor as Executor

from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.wire import tick as wire
from mat_ros.graph import discovery
from mat_ros.msg import ChainStatus
from mat_ros.nodes import topics
from mat_ros.nodes.topics import Topic
from mat_ros.view.watch import GRAPH_MODES, GraphWatch

DEPTH = 1024  # messages that may wait: a viewer must not lose a tick while it draws
LONG_S = 3600.0  # the EventsExecutor never wakes without a timeout


class Listener:
    """Feed a watch from the topics of a namespace. Use this class in a `with` block."""

    def __init__(self, watch: GraphWatch, bundle: Bundle, namespace: str = "", server: str | None = None) -> None:
        """Take the namespace of the graph, and the address of its discovery server where it has one."""
        self.watch, self.namespace, self._server = watch, namespace, server
        self._manifest = struct.pack("<Q", bundle.hash64)
        self._act_dim = bundle.manifest.network.act_dim
        self._signals = bundle.manifest.layout.signal_count

    def __enter__(self) -> Listener:
        """Join the graph."""
        self._context = rclpy.Context()
        with discovery.through(self._server):
            rclpy.init(args=[], context=self._context, signal_handler_options=SignalHandlerOptions.NO)
            self._node = rclpy.create_node(f"viewer_{os.getpid()}", namespace=self.namespace, context=self._context,
                                           enable_rosout=False, start_parameter_services=False)
        self._hear(topics.OBSERVATION, lambda data: self.watch.on_observation(
            wire.read_observation(data, self._signals)))
        self._hear(topics.APPLIED, lambda data: self.watch.on_applied(*wire.read_applied(data, self._act_dim)))
        self._node.create_subscription(topics.STATUS.type, topics.STATUS.name, self._on_status, topics.STATUS.qos)
        self._node.create_subscription(topics.DIAGNOSTICS.type, topics.DIAGNOSTICS.name, self._on_diagnostics,
                                       topics.DIAGNOSTICS.qos)
        self._end: Any = rclpy.Future()
        self._executor = Executor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        """Leave the graph."""
        self._end.set_result(None)
        self._thread.join(2.0)
        self._node.destroy_node()
        self._context.try_shutdown()

    def _spin(self) -> None:
        while not self._end.done():
            self._executor.spin_until_future_complete(self._end, LONG_S)

    def _hear(self, topic: Topic, take: Callable[[bytes], None]) -> None:
        def heard(data: bytes) -> None:
            if data[wire.MANIFEST] == self._manifest:
                take(data)

        qos = QoSProfile(depth=DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        self._node.create_subscription(topic.type, topic.name, heard, qos, raw=True)

    def _on_status(self, status: ChainStatus) -> None:
        self.watch.health.take(GRAPH_MODES[status.mode], status)

    def _on_diagnostics(self, array: Any) -> None:
        for status in array.status:
            if status.hardware_id == "detector":
                self.watch.health.detected = "" if status.message == "runs" else status.message
