# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Describe a graph that the chain's benchmark measures, and lay it out over processes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mat_ros.core.options import Value
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.program import run_python
from mat_ros.graph.build import Graph, NodeSpec, build
from mat_ros.graph.command import node_arguments
from mat_ros.graph.settings import LaunchSettings

WIRINGS = ("per_joint", "grouped", "central", "one_process", "central_one_process")


@dataclass(frozen=True)
class Case:
    """Describe one graph to measure."""

    n: int
    mode: str
    wiring: str
    executor: str
    backend: str
    hz: float
    ticks: int
    encoder: str = "central"
    processes: int = 0  # number of processes of the chain nodes in the wiring `grouped`
    realtime: int = 0
    deadline: float = 0.8
    reliable: bool = True
    tick: str = "auto"
    cores: int = 0  # number of cores that the graph may use; 0: all


def make_policies(folder: Path, agents: Sequence[int]) -> None:
    """Export random policies for arms of each number of joints with a program of `training`."""
    run_python(["-m", "training.exporting.sample", "arm", str(folder), "--agents", *map(str, agents)],
               "the program that makes the policies to measure", "run from a checkout with the train extra")


def groups(case: Case, graph: Graph) -> list[list[NodeSpec]]:
    """Return the groups of nodes that share a process."""
    chain = [spec for spec in graph.nodes if spec.executable == "chain_node"]
    others = [[spec] for spec in graph.nodes if spec.executable != "chain_node"]
    if case.wiring.endswith("one_process"):
        return [[spec for group in others for spec in group] + chain]
    count = case.processes if case.wiring == "grouped" else len(chain)
    cuts = np.linspace(0, len(chain), count + 1).astype(int)
    return others + [chain[a:b] for a, b in itertools.pairwise(cuts) if a < b]


def lay_out(case: Case, policy: Path, trace: Path) -> Graph:
    """Return the graph of a case, without a supervisor and without a checker."""
    manifest = Bundle.load(policy).manifest
    settings = LaunchSettings(mode=case.mode, backend=case.backend, encoder=case.encoder, rate=case.hz, sim="free",
                              wiring="central" if case.wiring.startswith("central") else "per_agent", check=False,
                              deadline=case.deadline, tick=case.tick, discovery="plain")
    graph = build(settings, manifest, str(policy))
    common: dict[str, Value] = {"autostart": "activate", "realtime": case.realtime, "reliable": case.reliable}
    own: dict[str, dict[str, Value]] = {"safety": {"trace": str(trace), "stop_ticks": 0}}
    return replace(graph, nodes=tuple(
        replace(spec, parameters={**spec.parameters, **common, **own.get(spec.executable, {})})
        for spec in graph.nodes if spec.executable in ("sim", "encoder", "chain_node", "safety")))


def arguments_of(group: list[NodeSpec], graph: Graph) -> list[str]:
    """Return the arguments of several nodes joined to those of one process."""
    first, *others = (node_arguments(spec, graph) for spec in group)
    return first + [part for arguments in others for part in ("+", *arguments)]
