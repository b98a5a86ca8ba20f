# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Measure two choices about exported graphs: an encoder for chains of any length, and the operator mat_ros::WKV.

    python -m training.bench graphs [--agents 6 26] [--width 64]

Times are those of ONNX Runtime on one CPU thread, in µs, p50 of the quietest round. The graphs of a pair are timed in
turns, and the table shows the turn with the median ratio.

Kernels are those that TensorRT for RTX makes of a graph, where TensorRT is installed. It has no plugins. For a graph
with the operator, the benchmark therefore counts the kernels of the rest, with open edges in the operator's place, and
adds one kernel for each operator.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch

from mat_ros.backends.onnxruntime_backend import OnnxRuntimeBackend
from mat_ros.backends.tensorrt_flavour import load_flavour
from mat_ros.backends.timing import measure
from mat_ros.core.errors import Missing
from mat_ros.core.policy.bundle import Bundle
from training.exporting.graphs import EncoderGraph, write_encoder
from training.exporting.sample import make_bundle
from training.exporting.torch_backend import load_policy
from training.exporting.wkv import DOMAIN, operator_graphs
from trt_engines.build import build_plan, profile

MIXERS = ("attention", "rwkv4", "rwkv5", "rwkv6", "rwkv7")
TURNS = 5
Shapes = dict[str, tuple[tuple[int, ...], ...]]


def encode_us(bundle: Bundle, folder: Path) -> tuple[float, float]:
    """Return the times of the encoder for one length and of the encoder for any length."""
    path = folder / "one_length.onnx"
    write_encoder(EncoderGraph(load_policy(bundle), bundle.manifest.normaliser), path, any_length=False)
    one = {"encoder": path.read_bytes(), "step": bundle.read("step.onnx")}
    observation = bundle.golden()["observation"][0]
    backends = [OnnxRuntimeBackend(bundle, graphs=one), OnnxRuntimeBackend(bundle)]
    bits = {backend.encode(observation)[0].tobytes() for backend in backends}
    assert len(bits) == 1, "one length and any length differ"
    return in_turns([lambda backend=backend: backend.encode(observation) for backend in backends])  # type: ignore[misc]


def operator_us(bundle: Bundle) -> dict[str, tuple[float, float]]:
    """Return the times of encode and step, of the plain graphs and of the graphs with the operator."""
    backends = [OnnxRuntimeBackend(bundle), OnnxRuntimeBackend(bundle, graphs=operator_graphs(bundle))]
    observation, state = bundle.golden()["observation"][0], bundle.manifest.state.start()
    nothing = np.zeros(bundle.manifest.network.act_dim, np.float32)
    row = backends[0].encode(observation)[0][0]
    return {
        "encode": in_turns([lambda b=backend: b.encode(observation) for backend in backends]),  # type: ignore[misc]
        "step": in_turns([lambda b=backend: b.step(0, row, nothing, state) for backend in backends]),  # type: ignore[misc]
    }


def in_turns(calls: Sequence[Callable[[], object]]) -> tuple[float, float]:
    """Return the p50 of two calls in the turn of the median ratio. Other programs may disturb one call of a turn."""
    turns = [(measure(calls[0]).p50, measure(calls[1]).p50) for _ in range(TURNS)]
    return sorted(turns, key=lambda pair: pair[1] / pair[0])[TURNS // 2]


def kernels(bundle: Bundle) -> dict[str, tuple[int, int]]:
    """Return the kernel counts of each plain graph and of the graph with the operator as a plugin."""
    rtx, counts = load_flavour("tensorrt_rtx"), {}
    for name, graph in operator_graphs(bundle).items():
        shapes = dict(profile(bundle, name))
        rest, open_edges, operators = without_operator(graph, bundle)
        found = [build_plan(data, given, rtx, limit_s=120.0, say=lambda line: None)[1]
                 for data, given in ((bundle.read(f"{name}.onnx"), shapes), (rest, shapes | open_edges))]
        counts[name] = (found[0], found[1] + operators)
    return counts


def without_operator(graph: bytes, bundle: Bundle) -> tuple[bytes, Shapes, int]:
    """Return a graph without the operator's nodes, the shapes of its new inputs, and the number of nodes."""
    model, shapes = onnx.load_from_string(graph), {}
    network = bundle.manifest.network
    nodes = [node for node in model.graph.node if node.domain == DOMAIN]
    known = {value.name: value for value in model.graph.value_info}
    made = {name for node in model.graph.node for name in node.output}
    for node in nodes:
        model.graph.node.remove(node)
    used = {name for node in model.graph.node for name in node.input}
    for node in nodes:
        model.graph.output.extend(known[name] for name in node.input if name in made)
        for name in (name for name in node.output if name in used):
            model.graph.input.append(known[name])
            rank = len(known[name].type.tensor_type.shape.dim)
            shapes[name] = ((1, network.agents, network.width) if rank == 3 else (1, network.width),) * 3
    return model.SerializeToString(), shapes, len(nodes)


def rows_of(agents: int, width: int, folder: Path) -> list[tuple[str, float, float]]:
    """Return a row (name, first, second) for every pair at one chain length."""
    rows: list[tuple[str, float, float]] = []
    for mixer in MIXERS:
        decoder = "attention" if mixer == "attention" else "rwkv4"
        bundle = make_bundle(folder / f"{mixer}_{agents}", mixer, decoder, agents=agents, act_dim=1, ticks=2,
                             width=width, spread=0.05)
        rows.append((f"{mixer} encode, one length / any length, µs", *encode_us(bundle, folder)))
        if mixer == "rwkv4":
            operator = [(f"rwkv4 {name}, plain / operator, µs", *pair) for name, pair in operator_us(bundle).items()]
            operator += _kernel_rows(bundle)
    return rows + operator


def main(arguments: Sequence[str]) -> int:
    """Run `python -m training.bench graphs`."""
    parser = argparse.ArgumentParser(prog="python -m training.bench graphs", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, nargs="+", default=[6, 26])
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        tables = {agents: rows_of(agents, given.width, Path(folder)) for agents in given.agents}
    if given.json:
        print(json.dumps({str(agents): {what: pair for what, *pair in rows} for agents, rows in tables.items()}))
        return 0
    for agents, rows in tables.items():
        print(f"{agents} agents, width {given.width}")
        for what, first, second in rows:
            print(f"  {what:48} {first:8.4g} {second:8.4g}  {100.0 * (second / first - 1.0):+6.1f} %")
    return 0


def _kernel_rows(bundle: Bundle) -> list[tuple[str, float, float]]:
    try:
        return [(f"rwkv4 {name}, plain / plugin, kernels", *pair) for name, pair in kernels(bundle).items()]
    except Missing as error:
        print(error, file=sys.stderr)
        return []
