# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Describe a deployment as data: which node runs which slots, with which parameters.

`ros2 launch` and `mat-ros launch` both start what `build` gives, so that there is one graph and not two. The data flow:

    sim | observer --observation--> encoder --encoding--> chain_node ... --decision--> safety --applied--> sim | robot
                                                          chain_node --baton--> the next chain nodes
    supervisor: lifecycle, diagnostics, status      checker, injector, detector, recorder: beside the flow, never in it
"""

from __future__ import annotations

import dataclasses
import fnmatch
import math
import os
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mat_ros.core.errors import Refused
from mat_ros.core.options import Value, option
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.tick.chain import BATONS, MODES, usual_baton
from mat_ros.core.tick.wiring import BATON_REACH, WIRINGS, spans
from mat_ros.graph.peers import count_peers
from mat_ros.graph.ros_environment import keep_to_loopback, open_to_network

BACKENDS = ("auto", "native", "onnxruntime", "torch", "tensorrt", "tensorrt_rtx")
LEAN = "MAT_ROS_LEAN"  # variable that makes nodes offer less, so that many of them find each other sooner
LEAN_ABOVE = 30  # processes
@dataclass(frozen=True)
class LaunchSettings:
    """The launch arguments; the ROS launch file, `mat-ros launch` and the reference page all come from here."""

    policy: str = option("", "policy bundle: a shipped name or a folder; empty: the default of the launch file")
    robot: str = option("", "robot: a shipped name or a YAML file; empty: the one the policy was trained on")
    task: str = option("", "task of the simulated robot; empty: the one the policy was trained on")
    wiring: str = option("per_agent", "how slots are laid over processes", choices=WIRINGS)
    mode: str = option("optimistic", "patience of the chain", choices=MODES)
    budget_ms: float = option(1.0, "bounded mode: how long a slot waits for each slot before it", 0.01, 1000.0)
    baton: str = option("", "when a node hands on its state; empty: as the mode needs it",
                        choices=("", *BATONS))
    backend: str = option("auto", "what runs the policy", choices=BACKENDS)
    encoder: str = option("central", "one encoder node, or every chain node encodes by itself",
                          choices=("central", "replicated"))
    rate: float = option(0.0, "ticks per second; 0: the policy's own rate", 0.0, 1000.0)
    deadline: float = option(0.8, "when the safety gate applies what it has, as a share of the period", 0.05, 1.0)
    sim: str = option("lockstep", "simulated robot: waits for every command, runs against the wall clock, or none",
                      choices=("lockstep", "free", "none"))
    hardware: str = option("", "adapter of a real robot where sim is none: ros2_control, trajectory, shadow, fake, "
                               "or your own as module:Class")
    seed: int = option(0, "seed of the world and of sampled decisions", 0, 2**31 - 1)
    sampled: bool = option(False, "draw actions instead of taking the mean")
    episodes: int = option(0, "stop after this many episodes of the simulated robot; 0: never", 0, 10**9)
    chain_information: str = option("", "what successors are told of a broken joint; empty: as the policy was trained",
                                    choices=("", "intent", "truth"))
    faults: str = option("", "fault plan: a shipped name or a YAML file; empty: none")
    inject: bool = option(False, "allow faults to be injected while the graph runs")
    record: str = option("", "MCAP file to record into; empty: none")
    flight: str = option("", "MCAP file for the last seconds before a stop, a NaN or a crash; empty: none")
    check: bool = option(True, "recompute every tick centrally and compare the bits")
    namespace: str = option("", "ROS namespace of every node and topic")
    use_sim_time: bool = option(False, "the simulated robot tells its time on /clock, and stamps are of it")
    viewer: str = option("none", "live view, in a process of its own", choices=("none", "terminal", "rerun"))
    nodes: str = option("", "start only these nodes here, the others elsewhere: names or patterns such as "
                            "chain_robot1_*,encoder; a leading ! leaves out; empty: all")
    network: str = option("loopback", "who may reach the graph: this machine, or every host of the network",
                          choices=("loopback", "open"))


@dataclass(frozen=True)
class NodeSpec:
    """One process of the graph."""

    name: str  # in the namespace
    executable: str  # module of mat_ros.nodes
    parameters: Mapping[str, Value]
    respawn: bool = True  # started again when it dies; it then re-enters at the next tick
    essential: bool = False  # the graph ends when it ends


@dataclass(frozen=True)
class Graph:
    """A deployment."""

    namespace: str
    nodes: tuple[NodeSpec, ...]
    environment: Mapping[str, str] = field(default_factory=dict)  # for every process


def build(settings: LaunchSettings, manifest: Manifest, policy_folder: str) -> Graph:
    """Lay out the nodes of a deployment."""
    trained_hz = 1e9 / manifest.period_ns
    rate_hz = settings.rate or trained_hz
    if settings.sim == "lockstep" and not math.isclose(rate_hz, trained_hz, rel_tol=1e-6):
        raise Refused("rate", f"{trained_hz:g} Hz, the policy's own, in lock-step simulation", rate_hz,
                      "leave the rate out, or run sim:=free")
    if settings.sim == "none" and not settings.hardware:
        raise Refused("hardware", "an adapter where sim is none", "none", "set hardware:=...")
    if settings.sim != "none" and settings.hardware:
        raise Refused(f"hardware {settings.hardware}", "sim:=none beside it", f"sim:={settings.sim}",
                      "add sim:=none to drive the robot, or leave hardware out to simulate it")
    if settings.mode != "optimistic" and settings.baton == "on_deviation":
        raise Refused("baton", f"always in {settings.mode} mode, whose nodes wait for it", "on_deviation",
                      "leave the baton out, or use mode:=optimistic")
    breakable = settings.inject or bool(settings.faults)
    # A lock-step tick waits for what is lost, and a network may lose it; against the wall clock on one machine nothing
    # is lost, and what came again would come too late.
    common: dict[str, Value] = {"policy": policy_folder, "use_sim_time": settings.use_sim_time, "inject": breakable,
                                "reliable": settings.sim == "lockstep" or settings.network == "open",
                                "clock": "system" if settings.network == "open" else "monotonic"}
    timing: dict[str, Value] = {"rate_hz": rate_hz, "deadline": settings.deadline}
    deciding: dict[str, Value] = {"backend": settings.backend, "seed": settings.seed, "sampled": settings.sampled}
    layout = spans(manifest, settings.wiring)
    replicated = settings.encoder == "replicated"
    chain_information = settings.chain_information or manifest.chain_information
    reach = 1 if settings.mode == "strict" else BATON_REACH  # who waits for its neighbour has no use for others
    baton = settings.baton or usual_baton(settings.mode)

    nodes: list[NodeSpec] = []
    if settings.sim == "none":
        nodes.append(NodeSpec("observer", "observer", {**common, **timing, "robot": settings.robot,
                                                        "hardware": settings.hardware}))
    else:
        nodes.append(NodeSpec("sim", "sim", {**common, **timing, "task": settings.task or manifest.task,
                                             "lockstep": settings.sim == "lockstep", "seed": settings.seed,
                                             "episodes": settings.episodes, "faults": settings.faults},
                              respawn=False, essential=True))
    if not replicated:
        nodes.append(NodeSpec("encoder", "encoder", {**common, "backend": settings.backend}))
    for k, span in enumerate(layout):
        nodes.append(NodeSpec(span.name, "chain_node", {
            **common, **deciding, "first_slot": span.first, "stop_slot": span.stop, "mode": settings.mode,
            "budget_ms": settings.budget_ms, "baton": baton, "replicated": replicated, "backup": k == 0,
            "hear": ",".join(f"{layout[j].first}" for j in range(max(0, k - reach), k)),
            "chain_information": chain_information}))
    nodes.append(NodeSpec("safety", "safety", {**common, **timing, "robot": settings.robot,
                                               "hardware": settings.hardware if settings.sim == "none" else "sim",
                                               "lockstep": settings.sim == "lockstep"}))
    if settings.check:
        nodes.append(NodeSpec("checker", "checker", {**common, **deciding}))
    if breakable:
        nodes.append(NodeSpec("injector", "injector", {
            **common, "enabled": settings.inject, "faults": settings.faults, "wiring": settings.wiring,
            "simulated": settings.sim != "none"}))
    if settings.sim != "none" or settings.hardware:
        nodes.append(NodeSpec("detector", "detector", {**common, "chain_information": chain_information}))
    if settings.record or settings.flight:
        nodes.append(NodeSpec("recorder", "recorder", {**common, "file": settings.record, "flight": settings.flight},
                              respawn=False))
    peers = count_peers(((node.name, node.executable, node.parameters) for node in nodes), manifest.network.agents)
    nodes = [dataclasses.replace(node, parameters={**node.parameters, "peers": peers[node.name]}) for node in nodes]
    nodes.append(NodeSpec("supervisor", "supervisor", {**common, "nodes": ",".join(node.name for node in nodes)}))
    if settings.viewer != "none":  # the supervisor does not know of it: a graph runs without being looked at
        nodes.append(NodeSpec("viewer", "viewer", {**common, "show": settings.viewer, "seed": settings.seed}))
    lean = {LEAN: "1"} if len(nodes) > LEAN_ABOVE else {}
    return Graph(settings.namespace, chosen(nodes, settings.nodes), {**environment(settings.network), **lean})


def chosen(nodes: Sequence[NodeSpec], patterns: str) -> tuple[NodeSpec, ...]:
    """Keep the nodes that are to run on this host; a pattern that names none is refused."""
    wanted = [pattern.strip() for pattern in patterns.split(",") if pattern.strip()]
    for pattern in wanted:
        if not fnmatch.filter([node.name for node in nodes], pattern.lstrip("!")):
            raise Refused("nodes", f"patterns over {', '.join(node.name for node in nodes)}", pattern, "correct it")
    included = [pattern for pattern in wanted if not pattern.startswith("!")]
    excluded = [pattern[1:] for pattern in wanted if pattern.startswith("!")]
    return tuple(node for node in nodes
                 if (not included or any(fnmatch.fnmatch(node.name, pattern) for pattern in included))
                 and not any(fnmatch.fnmatch(node.name, pattern) for pattern in excluded))


def environment(network: str) -> dict[str, str]:
    """Give the variables that keep DDS on the loopback, or open it where that was asked for."""
    found = ChainMap({"OMP_NUM_THREADS": "1"}, os.environ)  # what is written goes into the first
    if network == "loopback":
        keep_to_loopback(found)
    elif network == "open":
        open_to_network(found)
    else:
        raise Refused("network", "one of loopback, open", network, "choose one of them")
    return dict(found.maps[0])


def replace(settings: LaunchSettings, **changes: Value) -> LaunchSettings:
    """Give settings with some of them changed."""
    return dataclasses.replace(settings, **changes)  # type: ignore[arg-type]

