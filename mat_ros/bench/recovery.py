# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros bench recovery: kill and stop each node of a live graph at random moments, and measure the recovery.

The graph of processes runs freely. After each blow, the benchmark receives the commands of the gate until every joint
is decided by its own node again. The benchmark counts the periods without a command of the gate, the commands in which
a joint had no decision in time, and the time until the graph is whole again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from mat_ros.core import shipped
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.tick.chain import MODES
from mat_ros.core.tick.collect import NONE
from mat_ros.core.wire import tick as wire
from mat_ros.graph.build import build
from mat_ros.graph.command import node_command
from mat_ros.graph.settings import LaunchSettings

PATIENCE_S = 60.0
STOP_S = 1.0  # time for which a process is stopped
BLOWS = ("kill", "stop")  # SIGKILL and a new process; SIGSTOP and then SIGCONT


class RunningGraph:
    """Hold the processes of a graph, and record the commands of its gate."""

    def __init__(self, policy: Path, settings: LaunchSettings) -> None:
        import rclpy  # imported here: ROS is an extra, and --help works without ROS

        from mat_ros.nodes import topics

        self.bundle = Bundle.load(policy)
        self.graph = build(settings, self.bundle.manifest, str(policy))
        self.specs = {spec.name: spec for spec in self.graph.nodes}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.applied: list[tuple[int, int, bool, bool]] = []  # time in ns, tick, complete, all by own nodes
        self._rclpy = rclpy
        rclpy.init()
        self._node = rclpy.create_node("bench_recovery")
        topic = topics.APPLIED
        self._node.create_subscription(topic.type, topic.name, self._heard, topic.qos, raw=True)
        for name in self.specs:
            self.start(name)

    def start(self, name: str) -> None:
        """Start a node's process."""
        self.processes[name] = subprocess.Popen(node_command(self.specs[name], self.graph),
                                                env={**os.environ, **self.graph.environment},
                                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _heard(self, data: bytes) -> None:
        outcome, _ = wire.read_applied(data, self.bundle.manifest.network.act_dim)
        complete = bool((outcome.validity != NONE).all())
        self.applied.append((time.monotonic_ns(), outcome.tick, complete, bool((outcome.validity == 0).all())))

    def listen(self, seconds: float) -> None:
        """Receive commands for so many seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._rclpy.spin_once(self._node, timeout_sec=0.02)

    def until_whole(self, count: int = 25) -> bool:
        """Return whether `count` commands in a row come in which every joint was decided by its own node."""
        end, start = time.monotonic() + PATIENCE_S, len(self.applied)
        while time.monotonic() < end:
            recent = self.applied[max(start, len(self.applied) - count):]
            if len(recent) >= count and all(row[3] for row in recent):
                return True
            self.listen(0.05)
        return False

    def close(self) -> None:
        """End all processes and the subscription."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGINT)
        for process in self.processes.values():
            try:
                process.wait(10.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._node.destroy_node()
        self._rclpy.try_shutdown()


def strike(graph: RunningGraph, name: str, blow: str, period_s: float) -> dict[str, Any]:
    """Strike a node, wait until the graph is whole again, and return the figures."""
    graph.listen(random.random() * 0.5)
    first, began = len(graph.applied), time.monotonic_ns()
    process = graph.processes[name]
    if blow == "kill":
        process.kill()
        process.wait()
        graph.start(name)
    else:
        process.send_signal(signal.SIGSTOP)
        graph.listen(STOP_S)
        process.send_signal(signal.SIGCONT)
    whole = graph.until_whole()
    after = graph.applied[first:]
    times = [began, *(row[0] for row in after)]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    broken = [k for k, row in enumerate(after) if not row[3]]
    return {"node": name, "blow": blow, "whole_again": whole, "commands": len(after),
            "longest_gap_ms": max(gaps, default=0) * 1e-6,
            "periods_without_command": sum(int(gap * 1e-9 / period_s + 0.5) - 1 for gap in gaps
                                           if gap * 1e-9 > 1.5 * period_s),
            "commands_with_a_joint_undecided": sum(not row[2] for row in after),
            "until_whole_ms": (after[broken[-1]][0] - began) * 1e-6 if broken else 0.0}


def parser() -> argparse.ArgumentParser:
    """Declare the arguments of `mat-ros bench recovery`."""
    parser = argparse.ArgumentParser(prog="mat-ros bench recovery", description="Kill and stop each node of a live "
                                     "graph in turn, and measure the recovery.")
    parser.add_argument("--policy", required=True, help="bundle, by name or folder")
    parser.add_argument("--mode", default="optimistic", choices=MODES)
    parser.add_argument("--out", type=Path, help="file for the raw results, JSON")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    return parser


def main(arguments: list[str]) -> int:
    """Run `mat-ros bench recovery`."""
    given = parser().parse_args(arguments)
    random.seed(given.seed)
    graph = RunningGraph(shipped.policy_folder(given.policy).resolve(),
                         LaunchSettings(sim="free", mode=given.mode, network="loopback"))
    rows: list[dict[str, Any]] = []
    try:
        if not graph.until_whole():
            print("mat-ros bench recovery: the graph did not start within a minute", file=sys.stderr)
            return 1
        struck = [name for name, spec in graph.specs.items()
                  if spec.executable in ("encoder", "chain_node", "safety", "supervisor")]
        for name in struck:
            for blow in BLOWS:
                rows.append(strike(graph, name, blow, graph.bundle.manifest.period_ns * 1e-9))
                print(json.dumps(rows[-1]), flush=True)
    finally:
        graph.close()
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps({"policy": graph.bundle.manifest.name, "mode": given.mode,
                                         "load": os.getloadavg()[0], "rows": rows}, indent=1) + "\n")
    return 0
