# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run the demonstration: two hands push a double door open, one node per finger over DDS, although a node is killed.

The first episode has no fault. In the second episode the node of a finger is killed while the door is still shut, and
the node is not restarted. All physics is lock-step, so every figure except the latencies is the same in every run.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from mat_ros.core.errors import Missing
from mat_ros.core.policy.bundle import Bundle
from mat_ros.graph.build import Graph
from mat_ros.graph.deployment import Planned, plan_bundle
from mat_ros.graph.discovery import ADDRESSES
from mat_ros.graph.launcher import Supervisor, forwarded_signals
from mat_ros.graph.peers import count_peers
from mat_ros.graph.settings import LaunchSettings
from mat_ros.hardware.io import EpisodeResult
from mat_ros.nodes.preload import preload
from mat_ros.view.terminal import Screen
from mat_ros.view.watch import GraphWatch

POLICY = "dexhands_door_mat"  # agents are fingers
JOINT_POLICY = "dexhands_door_joint_mat"  # agents are joints
VICTIM = "robot0:FF"  # agent whose node is killed: the first hand's forefinger
LISTENED = ("observation", "applied")  # topics that this process receives with nodes/listen.py
KILL_TICK = 20  # tick of the second episode at which the door is still shut
START_S = 90.0  # longest wait for the start of all nodes
STALL_S = 20.0  # longest wait for the next tick
SETTLE_S = 5.0  # wait after the last tick for the counts of checker and supervisor
PUMP_S = 0.02
INTERRUPTED = "interrupted"  # trouble of a run that a signal ended


@dataclass
class DemoRun:
    """Hold everything that the report shows."""

    planned: Planned
    watch: GraphWatch
    episodes: list[EpisodeResult] = field(default_factory=list)
    killed: str | None = None  # name of the killed node
    killed_tick: int | None = None
    starts: dict[str, int] = field(default_factory=dict)  # number of starts of each node
    active_s: float = float("nan")  # time from the start of the first process to the first tick
    trouble: str = ""  # reason for a run that broke off; empty for a whole run

    @property
    def success(self) -> bool:
        """Return whether every episode ended with an open door, and every tick has the bits of one process."""
        health = self.watch.health
        return (not self.trouble and bool(self.episodes) and all(episode.success for episode in self.episodes)
                and health.compared > 0 and health.differing == 0)

    def summary(self) -> dict[str, object]:
        """Return the figures of the last line of output."""
        health = self.watch.health
        latencies = [tick.latency_ms for tick in self.watch.ticks]
        reached = bool(self.episodes) and all(episode.reached for episode in self.episodes)
        return {"reached": reached, "success": self.success, "ticks": len(self.watch.ticks), "missed": health.missed,
                "compared": health.compared, "differing": health.differing,
                "p50_ms": _rounded(latencies, 50), "p99_ms": _rounded(latencies, 99), "killed": self.killed}


def plan_demo(policy: Path, per_joint: bool, episodes: int, results: Path, seed: int = 0) -> Planned:
    """Return the plan of the graph; the simulated robot ends after the episodes and writes their results to a file."""
    settings = LaunchSettings(policy=str(policy), wiring="per_joint" if per_joint else "per_agent", episodes=episodes,
                              seed=seed)
    planned = plan_bundle(settings, Bundle.load(policy))
    nodes = [replace(node, essential=False, parameters={**node.parameters, "results": str(results)})
             if node.name == "sim" else node for node in planned.graph.nodes]
    peers = count_peers(((node.name, node.executable, node.parameters) for node in nodes if node.name != "supervisor"),
                        planned.bundle.manifest.network.agents, LISTENED)
    nodes = [replace(node, parameters={**node.parameters, "peers": peers.get(node.name, "")}) for node in nodes]
    return replace(planned, graph=replace(planned.graph, nodes=tuple(nodes)))


def run(policy: Path, per_joint: bool = False, fault: bool = True, seed: int = 0) -> DemoRun:
    """Run the episodes and return their record."""
    from mat_ros.nodes.listen import Listener  # imported here: ROS is an extra, which plans do not need

    episodes = 2 if fault else 1
    with tempfile.TemporaryDirectory(prefix="mat_ros_demo_") as folder:
        results = Path(folder) / "results.jsonl"
        planned = plan_demo(policy, per_joint, episodes, results, seed)
        manifest = planned.bundle.manifest
        found = DemoRun(planned, GraphWatch(manifest))
        screen = Screen(found.watch, f"{manifest.task}  \u00b7  {len(planned.graph.nodes)} processes  \u00b7  "
                        f"{planned.settings.mode}", door_progress)
        began_s = time.monotonic()
        with (screen, Supervisor(planned.graph, screen.say, preload=partial(
                preload, planned.bundle, planned.settings.backend)) as supervisor,
              forwarded_signals(supervisor), Listener(
                  found.watch, planned.bundle, server=planned.graph.environment.get(ADDRESSES))):
            conduct(found, supervisor, screen, episodes, fault, began_s)
            supervisor.end(0 if not found.trouble else 1)
            found.starts = {name: process.starts for name, process in supervisor.processes.items()}
        lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
        found.episodes = [EpisodeResult(**json.loads(line)) for line in lines]
        if not found.trouble and len(found.episodes) < episodes:
            found.trouble = f"{len(found.episodes)} of {episodes} episodes were finished"
    return found


def conduct(found: DemoRun, supervisor: Supervisor, screen: Screen, episodes: int, fault: bool, began_s: float) -> None:
    """Run the graph, kill a node in the second episode, and stop when the simulated robot has finished."""
    watch, victim = found.watch, _node_of(found.planned.graph, VICTIM)
    moved_s, last, done_s = time.monotonic(), -1, None
    while supervisor.status is None:
        supervisor.pump(PUMP_S)
        screen.refresh()
        now_s = time.monotonic()
        if watch.tick != last:
            if last < 0:
                found.active_s = now_s - began_s
            moved_s, last = now_s, watch.tick
        if fault and found.killed is None and watch.ticks and watch.ticks[-1].episode == 1 and _age(watch) >= KILL_TICK:
            supervisor.kill(victim, respawn=False)
            found.killed, found.killed_tick = victim, watch.tick
            watch.note(f"{victim} killed")
        if "sim" not in supervisor.running:
            done_s = done_s or now_s
            if watch.health.compared >= len(watch.ticks) or now_s - done_s > SETTLE_S:
                return
        elif now_s - moved_s > (START_S if last < 0 else STALL_S):
            found.trouble = f"no tick for {now_s - moved_s:.0f} s: {watch.health.reason or 'no message has arrived'}"
            return
    if not found.trouble and "sim" in supervisor.running:
        found.trouble = INTERRUPTED


def door_progress(watch: GraphWatch) -> str:
    """Return words for the opening of the door, where the observation contains the handles."""
    gap = handle_gap(watch)
    if gap is None or not watch.ticks:
        return ""
    return f"episode {watch.ticks[-1].episode}, door open {gap:.2f} m"


def handle_gap(watch: GraphWatch) -> float | None:
    """Return the distance between the two handles in m from the observation, or None."""
    at = 0
    for term in watch.manifest.layout.terms:
        if term.name == "handle_position" and watch.ticks:
            left, right = watch.ticks[-1].signals[at:at + 6].reshape(2, 3)
            return float(abs(left[1] - right[1]))
        at += len(term.elements)
    return None


def _node_of(graph: Graph, agent: str) -> str:
    """Return the name of the chain node of an agent, or of the agent's first joint where agents are joints."""
    wanted = "chain_" + agent.lower().replace(":", "_")
    names = [node.name for node in graph.nodes if node.name.startswith(wanted)]
    if not names:
        raise Missing(f"a node of {agent}", "run the demo with a policy of two hands split by finger or joint")
    return names[0]


def _age(watch: GraphWatch) -> int:
    """Return the number of ticks of the present episode."""
    present = watch.ticks[-1].episode
    return sum(tick.episode == present for tick in watch.recent(KILL_TICK + 1))


def _rounded(values: list[float], share: float) -> float | None:
    return round(float(np.percentile(values, share)), 3) if values else None
