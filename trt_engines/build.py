# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Build plans from the graphs of a bundle, in an offline command with progress and a time limit, never in a node.

The code uses only what TensorRT 10.3 to 11 and TensorRT for RTX share: a strongly typed network, the ONNX parser, one
optimisation profile. The profile has batch 1, for which TensorRT fuses best.
"""

from __future__ import annotations

import importlib.metadata
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mat_ros.backends.tensorrt_fingerprint import GRAPHS, Fingerprint, Shapes, digest, plan_path, write
from mat_ros.backends.tensorrt_flavour import Flavour
from mat_ros.backends.tensorrt_machine import this_machine
from mat_ros.core.errors import Refused
from mat_ros.core.files import replaced
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.program import run_python
from mat_ros.core.shipped import install_command
from trt_engines import wkv_plugin as wkv

PRECISION = "float32, strongly typed"
KERNEL = re.compile(r"^Name: \S+, LayerType: \w+", re.MULTILINE)
PACKAGES = ("tensorrt", "tensorrt_cu13", "tensorrt-rtx-cu13-libs", "tensorrt-rtx-cu13-bindings")


def build_engines(bundle: Bundle, folder: Path, flavour: Flavour, *, limit_s: float = 600.0,
                  capabilities: tuple[str, ...] = (), wkv_plugin: bool = False,
                  say: Callable[[str], None] = print) -> list[Fingerprint]:
    """Build a plan with a fingerprint for each graph of the bundle, with the WKV plugin where `wkv_plugin` is set."""
    graphs = {graph: bundle.read(f"{graph}.onnx") for graph in GRAPHS}
    # Loading compares the hashes of the bundle's own graphs, also where graphs with the operator replace them below.
    hashes = {graph: digest(onnx) for graph, onnx in graphs.items()}
    if wkv_plugin:
        wkv.register(flavour)  # before the slow steps, because few libraries have plugins
        graphs = graphs_with_operator(bundle)
    folder.mkdir(parents=True, exist_ok=True)
    marks = []
    for graph in GRAPHS:
        onnx = graphs[graph]
        shapes = profile(bundle, graph)
        started = time.monotonic()
        plan, kernels = build_plan(onnx, shapes, flavour, limit_s=limit_s, capabilities=capabilities,
                                   plugins=wkv_plugin, say=lambda line, graph=graph: say(f"{graph}: {line}"))  # type: ignore[misc]
        seconds = time.monotonic() - started
        mark = Fingerprint(
            graph=graph, flavour=flavour.name, version=flavour.version, graph_sha256=hashes[graph],
            weights_sha256=bundle.manifest.files["weights.safetensors"], plan_sha256=digest(plan),
            built_on=this_machine(), capabilities=capabilities, precision=PRECISION, profile=shapes, kernels=kernels,
            build_seconds=round(seconds, 2), packages=_packages(), plugins=(wkv.PLUGIN,) if wkv_plugin else (),
        )
        path = plan_path(folder, graph, flavour.name)
        with replaced(path) as beside:
            beside.write_bytes(plan)
        write(path, mark)
        say(f"{graph}: {kernels} kernels, {len(plan) / 1e6:.1f} MB, {seconds:.1f} s")
        marks.append(mark)
    return marks


def profile(bundle: Bundle, graph: str) -> Shapes:
    """Return the shapes of a graph's inputs: batch 1, and for a growing state up to all rows of the chain."""
    network, state = bundle.manifest.network, bundle.manifest.state
    if graph == "encoder":
        return {"observation": _fixed(1, network.agents, network.obs_dim)}
    rows = (_fixed(1, state.row) if not state.grows else
            ((1, 0, state.row), (1, network.agents // 2, state.row), (1, network.agents - 1, state.row)))
    return {"enc": _fixed(1, network.enc_dim), "action": _fixed(1, network.act_dim), "state": rows}


def build_plan(onnx: bytes, shapes: Shapes, flavour: Flavour, *, limit_s: float, capabilities: tuple[str, ...] = (),
               plugins: bool = False, say: Callable[[str], None] = print) -> tuple[bytes, int]:
    """Return a built plan and its number of kernels after fusion."""
    trt = flavour.module
    log = _log(trt)
    try:
        builder = trt.Builder(log)
    except TypeError as error:  # the enterprise bindings raise a TypeError without a driver
        raise Refused(f"builder of {flavour.name}", "a GPU and its driver", "none",
                      "build on the machine that will run the engine") from error
    wanted = ("STRONGLY_TYPED", *(("PREFER_AOT_PYTHON_PLUGINS",) if plugins else ()))
    flags = trt.NetworkDefinitionCreationFlag
    network = builder.create_network(sum(1 << int(getattr(flags, flag)) for flag in wanted if hasattr(flags, flag)))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(onnx):
        reasons = "; ".join(str(parser.get_error(i).desc()) for i in range(parser.num_errors))
        raise Refused(f"parser of {flavour.name}", "a graph of known operators", reasons, "export the policy anew")
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # with the names of the kernels, which are counted
    if capabilities:
        _aim(trt, config, flavour, capabilities)
    chosen = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        name = network.get_input(index).name
        chosen.set_shape(name, *shapes[name])
    config.add_optimization_profile(chosen)
    progress = _progress(trt, time.monotonic() + limit_s, say)
    if progress is not None:
        config.progress_monitor = progress
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        late = progress is not None and progress.late
        raise Refused(f"build with {flavour.name}", f"a plan within {limit_s:g} s",
                      "none in that time" if late else "; ".join(log.errors) or "none",
                      "give it longer with --limit" if late else "run `mat-ros engines doctor`")
    return bytes(plan), len(KERNEL.findall(log.layers))


def graphs_with_operator(bundle: Bundle) -> dict[str, bytes]:
    """Return a bundle's graphs with nodes of mat_ros::WKV, which a program of training exports again with torch."""
    with tempfile.TemporaryDirectory() as folder:
        run_python(["-m", "training.exporting.wkv", str(bundle.folder), folder],
                   f"the program that writes graphs with {wkv.PLUGIN}", f"run {install_command('train')}")
        return {graph: (Path(folder) / f"{graph}.onnx").read_bytes() for graph in GRAPHS}


def _aim(trt: Any, config: Any, flavour: Flavour, capabilities: tuple[str, ...]) -> None:
    if not hasattr(trt, "ComputeCapability"):
        raise Refused(f"target of {flavour.name}", "none: it builds for the GPU of this machine", capabilities,
                      "leave --capability out")
    config.num_compute_capabilities = len(capabilities)
    for index, capability in enumerate(capabilities):
        known = f"SM{capability.replace('.', '')}"
        if not hasattr(trt.ComputeCapability, known):
            offered = sorted(name for name in dir(trt.ComputeCapability) if name.startswith("SM"))
            raise Refused(f"target of {flavour.name}", f"one of {offered}", known,
                          "choose another, or the native backend")
        config.set_compute_capability(getattr(trt.ComputeCapability, known), index)


def _log(trt: Any) -> Any:
    """Return a logger that stores the library's errors and its list of kernels and prints nothing."""

    class Log(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []
            self.layers = ""

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.errors.append(message.replace("\n", " "))
            elif "LayerType: " in message:
                self.layers += message + "\n"

    return Log()


def _progress(trt: Any, deadline_s: float, say: Callable[[str], None]) -> Any:
    """Return a monitor that reports a build's phases and stops the build at the deadline; None before TensorRT 10."""
    if not hasattr(trt, "IProgressMonitor"):
        return None

    class Progress(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.late = False
            self._depth = 0

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if self._depth == 0 and phase_name:
                say(phase_name)
            self._depth += 1

        def step_complete(self, phase_name: str, step: int) -> bool:
            self.late = self.late or time.monotonic() > deadline_s
            return not self.late

        def phase_finish(self, phase_name: str) -> None:
            self._depth -= 1

    return Progress()


def _fixed(*shape: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    return shape, shape, shape


def _packages() -> dict[str, str]:
    return {distribution.metadata["Name"]: distribution.version for distribution in importlib.metadata.distributions()
            if distribution.metadata["Name"] in PACKAGES}
