# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Describe a deployment as data: which node runs which slots, with which parameters.

`ros2 launch` and `mat-ros launch` both start the graph that `build` returns, so there is one graph and not two:

    sim | observer --observation--> encoder --encoding--> chain_node ... --decision--> safety --applied--> sim | robot
                                                          chain_node --baton--> the next chain nodes
    supervisor: lifecycle, diagnostics, status      checker, injector, detector, recorder: beside the flow, never in it
"""

from __future__ import annotations

import fnmatch
import os
import sys
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mat_ros.core.errors import Refused
from mat_ros.core.options import Value
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.tick.chain import usual_baton
from mat_ros.core.tick.wiring import BATON_REACH, spans
from mat_ros.core.wire.seal import SECRET, new_secret
from mat_ros.graph.discovery import ADDRESSES, LARGE, LOOPBACK, SERVER, domain_of, free_port, may_serve, runs
from mat_ros.graph.peers import count_peers
from mat_ros.graph.ros_environment import keep_to_loopback, open_to_network
from mat_ros.graph.settings import LaunchSettings

LEAN = "MAT_ROS_LEAN"  # variable that makes nodes offer fewer services, so that many nodes find each other sooner
LEAN_ABOVE = 30  # processes; a larger graph is lean
COMMAND_TOPIC = "command_topic"  # argument of the driver alone; the observer receives the other topics
DRIVER = "driver"  # owns the adapter of a real robot
BARE = (DRIVER, SERVER)  # processes without a lifecycle, topics and reports
Parameters = Mapping[str, Value]


@dataclass(frozen=True)
class NodeSpec:
    """One process of the graph."""

    name: str  # of the node in the graph's namespace
    executable: str  # module of mat_ros.nodes
    parameters: Parameters
    respawn: bool = True  # the process is started again when it dies, and takes part again from the next tick on
    essential: bool = False  # the graph ends when this process ends


@dataclass(frozen=True)
class Graph:
    """A deployment: the namespace, the processes and their environment."""

    namespace: str
    nodes: tuple[NodeSpec, ...]
    environment: Mapping[str, str] = field(default_factory=dict)  # variables of every process


def build(settings: LaunchSettings, manifest: Manifest, policy_folder: str) -> Graph:
    """Lay out the nodes of a deployment."""
    settings.check_against(manifest)
    common = common_parameters(settings, policy_folder)
    nodes = [*nodes_in_the_flow(settings, manifest, common), *nodes_beside_it(settings, manifest, common)]
    peers = count_peers(((node.name, node.executable, node.parameters) for node in nodes), manifest.network.agents)
    nodes = [node if node.executable in BARE else replace(node, parameters={**node.parameters,
                                                                            "peers": peers[node.name]})
             for node in nodes]
    watched = ",".join(node.name for node in nodes if node.executable not in BARE)
    nodes.append(NodeSpec("supervisor", "supervisor", {**common, "nodes": watched}))
    if settings.viewer != "none":  # not in the supervisor's list: a graph runs without a viewer
        nodes.append(NodeSpec("viewer", "viewer", {**common, "show": settings.viewer, "rrd": settings.rrd,
                                                 "seed": settings.seed}))
    own = {SECRET: os.environ.get(SECRET) or new_secret(), **({LEAN: "1"} if len(nodes) > LEAN_ABOVE else {})}
    variables = {**environment(settings.network), **own}
    server = served(settings, variables, len(nodes))
    if server is not None:
        nodes.insert(0, server)
        variables[ADDRESSES] = f"{LOOPBACK}:{server.parameters['port']}"
    return Graph(settings.namespace, chosen(nodes, settings.nodes), variables)


def served(settings: LaunchSettings, variables: Mapping[str, str], processes: int) -> NodeSpec | None:
    """Return the discovery server of a graph; None where the processes find each other without one."""
    wanted = settings.discovery == "server" or (settings.discovery == "auto" and processes > LARGE)
    # A graph that is started in parts would have a server for each part.
    if not wanted:
        return None
    port = free_port(domain_of()) if not settings.nodes and may_serve(variables) else None
    if port is not None and runs(port):
        return NodeSpec(SERVER, SERVER, {"port": port})
    lack = "a server needs Fast DDS on the loopback, all nodes in one launch, and a free port"
    if settings.discovery == "server":
        raise Refused("discovery", f"auto or plain, since {lack}", "server", "leave discovery out")
    print(f"{processes} processes find each other without a discovery server, which takes longer: {lack}",
          file=sys.stderr, flush=True)
    return None


def common_parameters(settings: LaunchSettings, policy_folder: str) -> Parameters:
    """Return the parameters that every node receives."""
    # A lock-step tick waits for a lost message, and a network may lose messages: so their delivery is reliable. On one
    # machine no message is lost. In a tick against the wall clock, a message that is sent again comes too late.
    return {"policy": policy_folder, "use_sim_time": settings.use_sim_time, "inject": settings.breakable,
            "realtime": settings.realtime,
            "reliable": settings.sim == "lockstep" or settings.network == "open",
            "clock": "system" if settings.network == "open" else "monotonic"}


def nodes_in_the_flow(settings: LaunchSettings, manifest: Manifest, common: Parameters) -> Iterator[NodeSpec]:
    """Yield the nodes that turn a measurement into a command, in the order of the data flow."""
    timing: Parameters = {"rate_hz": settings.rate_hz(manifest), "deadline": settings.deadline}
    if settings.sim == "none":
        heard = {name: topic for name, topic in settings.topics.items() if name != COMMAND_TOPIC}
        yield NodeSpec(DRIVER, DRIVER, {"policy": common["policy"], "robot": settings.robot,
                                        COMMAND_TOPIC: settings.command_topic,
                                        "hardware": settings.hardware, "rate_hz": settings.rate_hz(manifest),
                                        "realtime": settings.realtime})
        yield NodeSpec("observer", "observer", {**common, **timing, "robot": settings.robot,
                                                "hardware": settings.hardware, **heard,
                                                "joy_speed": settings.joy_speed})
    else:
        yield NodeSpec("sim", "sim", {**common, **timing, "task": settings.task or manifest.task,
                                      "lockstep": settings.sim == "lockstep", "seed": settings.seed,
                                      "episodes": settings.episodes, "faults": settings.faults},
                       respawn=False, essential=True)
    if settings.encoder == "central":
        yield NodeSpec("encoder", "encoder", {**common, "backend": settings.backend, "tick": settings.tick})
    yield from chain_nodes(settings, manifest, common)
    yield NodeSpec("safety", "safety", {**common, **timing, "robot": settings.robot,
                                        "hardware": settings.hardware if settings.sim == "none" else "sim",
                                        "lockstep": settings.sim == "lockstep", "tick": settings.tick})


def chain_nodes(settings: LaunchSettings, manifest: Manifest, common: Parameters) -> Iterator[NodeSpec]:
    """Yield the chain nodes, in chain order."""
    layout = spans(manifest, settings.wiring)
    reach = 1 if settings.mode == "strict" else BATON_REACH  # a node that waits for its neighbour needs no other baton
    baton = settings.baton or usual_baton(settings.mode)
    for k, span in enumerate(layout):
        yield NodeSpec(span.name, "chain_node", {
            **common, **settings.deciding, "tick": settings.tick, "first_slot": span.first, "stop_slot": span.stop,
            "mode": settings.mode, "budget_ms": settings.budget_ms, "baton": baton,
            "replicated": settings.encoder == "replicated", "backup": k == 0,
            "hear": ",".join(f"{layout[j].first}" for j in range(max(0, k - reach), k)),
            "chain_information": settings.information(manifest)})


def nodes_beside_it(settings: LaunchSettings, manifest: Manifest, common: Parameters) -> Iterator[NodeSpec]:
    """Yield the checker, the injector, the detector and the recorder; no tick waits for these nodes."""
    if settings.check:
        yield NodeSpec("checker", "checker", {**common, **settings.deciding})
    if settings.breakable:
        yield NodeSpec("injector", "injector", {
            **common, "enabled": settings.inject, "faults": settings.faults, "wiring": settings.wiring,
            "simulated": settings.sim != "none"})
    yield NodeSpec("detector", "detector", {**common, "chain_information": settings.information(manifest)})
    if settings.record or settings.flight:
        yield NodeSpec("recorder", "recorder", {**common, "file": settings.record, "flight": settings.flight})


def chosen(nodes: Sequence[NodeSpec], patterns: str) -> tuple[NodeSpec, ...]:
    """Return the nodes that run on this host; refuse a pattern that matches no node."""
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
    """Return the variables that keep DDS on the loopback, or that open DDS to the network."""
    found = ChainMap({"OMP_NUM_THREADS": "1"}, os.environ)  # new variables go into the first mapping
    if network == "loopback":
        keep_to_loopback(found)
    elif network == "open":
        open_to_network(found)
    else:
        raise Refused("network", "one of loopback, open", network, "choose one of them")
    return dict(found.maps[0])

