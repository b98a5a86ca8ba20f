# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run a graph of node processes in a test and listen to it."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import rclpy

from mat_ros.core.policy.bundle import Bundle
from mat_ros.graph.build import Graph, build
from mat_ros.graph.command import node_command
from mat_ros.graph.peers import count_peers
from mat_ros.graph.settings import LaunchSettings
from mat_ros.nodes import topics

PATIENCE_S = 60.0  # for a loaded machine; a healthy graph needs a few
SOLO = ("injector", "detector", "recorder")  # tested on their own


class Listener:
    """A node of the test that keeps what the graph says."""

    def __init__(self, namespace: str = "") -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("listener", namespace=namespace, context=self.context)
        self.executor = rclpy.executors.SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.status: Any = None
        self.reports: dict[str, dict[str, str]] = {}
        self.messages: dict[str, str] = {}
        self.applied: list[Any] = []
        self._hear(topics.STATUS, lambda m: setattr(self, "status", m))
        self._hear(topics.DIAGNOSTICS, self._reported)
        self._hear(dataclasses.replace(topics.APPLIED, depth=1000), self.applied.append)

    def _hear(self, topic: topics.Topic, handler: Callable[[Any], None]) -> None:
        self.node.create_subscription(topic.type, topic.name, handler, topic.qos)

    def _reported(self, message: Any) -> None:
        for status in message.status:
            self.reports[status.name] = {pair.key: pair.value for pair in status.values}
            self.messages[status.name] = status.message

    def until(self, true: Callable[[], bool], patience_s: float = PATIENCE_S) -> bool:
        """Listen until something is true."""
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            if true():
                return True
            self.executor.spin_once(timeout_sec=0.05)
        print(f"heard for {patience_s:g} s by {self.node.get_fully_qualified_name()}: {len(self.applied)} commands, "
              f"last {self.applied[-1:]}, status {self.status}, reports {self.messages} {self.reports}")
        return False

    def call(self, kind: Any, service: str, request: Any) -> Any:
        """Ask a service."""
        client = self.node.create_client(kind, service)
        assert client.wait_for_service(PATIENCE_S)
        future = client.call_async(request)
        assert self.until(future.done)
        self.node.destroy_client(client)
        return future.result()

    def close(self) -> None:
        self.executor.remove_node(self.node)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


class GraphRun:
    """The processes of a graph; leaving the block ends those that still run."""

    def __init__(self, policy: Path, extra: Mapping[str, Mapping[str, Any]] | None = None, **settings: Any) -> None:
        manifest = Bundle.load(policy).manifest
        graph = build(LaunchSettings(**settings), manifest, str(policy))
        self.graph = Graph(graph.namespace, tuple(s for s in graph.nodes if s.executable not in SOLO))
        self.names = [spec.name for spec in self.graph.nodes]
        peers = count_peers(((s.name, s.executable, s.parameters) for s in self.graph.nodes if s.name != "supervisor"),
                            manifest.network.agents)
        self.specs = {}
        for spec in self.graph.nodes:
            more = {**(extra or {}).get(spec.executable, {}), **(extra or {}).get(spec.name, {})}
            parameters = {**spec.parameters, "peers": peers.get(spec.name, ""), **more}
            if spec.executable == "supervisor":
                parameters["nodes"] = ",".join(name for name in self.names if name != spec.name)
            self.specs[spec.name] = dataclasses.replace(spec, parameters=parameters)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        self.processes[name] = subprocess.Popen(node_command(self.specs[name], self.graph), env=os.environ,
                                                stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def __enter__(self) -> GraphRun:
        for name in self.names:
            self.start(name)
        return self

    def stop(self, number: int = signal.SIGINT) -> dict[str, int]:
        """Signal every process and give how each ended."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(number)
        return {name: process.wait(PATIENCE_S) for name, process in self.processes.items()}

    def errors(self, name: str) -> str:
        """Give what an ended process has written to stderr."""
        return self.processes[name].stderr.read().decode()

    def __exit__(self, failure: object, *_: object) -> None:
        found = {name: process.poll() for name, process in self.processes.items()}
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(10.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for name, process in self.processes.items():
            if failure:
                print(f"{name} of /{self.graph.namespace} had ended with {found[name]} and said: {self.errors(name)}")
            process.stderr.close()


def results(path: Path) -> list[dict[str, Any]]:
    """Read the results of episodes."""
    return [json.loads(line) for line in path.read_text().splitlines()]
