# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Graphs with the operator mat_ros::WKV compute the decisions of the plain graphs, and replace them in an engine."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("onnxscript", reason="needs the train extra")
pytest.importorskip("onnxruntime", reason="needs the onnx extra")

import onnx  # noqa: E402

from mat_ros.backends.golden import verify  # noqa: E402
from mat_ros.backends.native_library import LIBRARY  # noqa: E402
from mat_ros.backends.onnxruntime_backend import OnnxRuntimeBackend  # noqa: E402
from mat_ros.backends.tensorrt_fingerprint import plan_path, read  # noqa: E402
from mat_ros.backends.tensorrt_flavour import Flavour  # noqa: E402
from mat_ros.core.errors import Missing, Refused  # noqa: E402
from mat_ros.core.policy.bundle import Bundle  # noqa: E402
from support.places import BUNDLES  # noqa: E402
from training.bench.graphs import kernels  # noqa: E402
from training.exporting.sample import make_bundle  # noqa: E402
from training.exporting.wkv import operator_graphs  # noqa: E402
from trt_engines import __main__ as command  # noqa: E402
from trt_engines import build, wkv_plugin  # noqa: E402

pytestmark = pytest.mark.train
if not LIBRARY.exists():
    pytest.skip("needs the compiled native backend", allow_module_level=True)

OPERATOR = ("mat_ros", "WKV")
SIZES = {  # agents, width, blocks
    "one agent": (1, 16, 1),
    "odd width, two blocks": (5, 24, 2),
    "a long chain": (26, 64, 1),
}


@pytest.fixture(scope="module", params=list(SIZES))
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    agents, width, blocks = SIZES[request.param]
    return make_bundle(tmp_path_factory.mktemp("bundles") / "bundle", "rwkv4", "rwkv4", agents=agents, width=width,
                       blocks=blocks, spread=0.1)


@pytest.fixture(scope="module")
def graphs(bundle: Bundle) -> dict[str, bytes]:
    return operator_graphs(bundle)


@pytest.fixture(scope="module")
def kept() -> tuple[Bundle, dict[str, bytes]]:
    bundle = Bundle.load(BUNDLES / "rwkv4")
    return bundle, operator_graphs(bundle)


def nodes(graph: bytes) -> list[onnx.NodeProto]:
    return [node for node in onnx.load_from_string(graph).graph.node if (node.domain, node.op_type) == OPERATOR]


def test_both_graphs_have_a_node_per_block_and_reproduce_the_golden_ticks(
    bundle: Bundle, graphs: dict[str, bytes]
) -> None:
    assert {name: len(nodes(graph)) for name, graph in graphs.items()} == dict.fromkeys(
        ("encoder", "step"), bundle.manifest.network.blocks)
    verdict = verify(OnnxRuntimeBackend(bundle, graphs=graphs), bundle)
    assert verdict.ok, verdict.difference
    assert verdict.max_error < 2e-5


def test_every_encoding_and_every_hop_of_state_is_that_of_the_plain_graphs(
    bundle: Bundle, graphs: dict[str, bytes]
) -> None:
    plain, ours = OnnxRuntimeBackend(bundle), OnnxRuntimeBackend(bundle, graphs=graphs)
    for observation in bundle.golden()["observation"]:
        (enc, values), (enc_ours, values_ours) = plain.encode(observation), ours.encode(observation)
        np.testing.assert_allclose(enc_ours, enc, atol=2e-5)
        np.testing.assert_allclose(values_ours, values, atol=2e-5)
        state, action = bundle.manifest.state.start(), np.zeros(bundle.manifest.network.act_dim, np.float32)
        for slot in range(bundle.manifest.network.agents):
            action_ours, state_ours = ours.step(slot, enc[slot], action, state)
            action, state = plain.step(slot, enc[slot], action, state)
            np.testing.assert_allclose(action_ours, action, atol=2e-5)
            np.testing.assert_allclose(state_ours, state, rtol=2e-5, atol=2e-5)


def test_the_encoder_with_the_operator_takes_chains_of_any_length_and_any_batch(kept: Any) -> None:
    import onnxruntime as ort

    bundle, graphs = kept
    options = ort.SessionOptions()
    options.register_custom_ops_library(str(LIBRARY))
    session = ort.InferenceSession(graphs["encoder"], options, providers=["CPUExecutionProvider"])
    observation, wanted = bundle.golden()["observation"][:8], bundle.golden()["enc"][:8]
    for slots in range(1, bundle.manifest.network.agents + 1):
        enc, values = session.run(None, {"observation": observation[:, :slots]})
        np.testing.assert_allclose(enc, wanted[:, :slots], atol=2e-5)
        np.testing.assert_allclose(values, bundle.golden()["values"][:8, :slots], atol=2e-5)


@pytest.mark.parametrize(("encoder", "both_ways"), [("attention", False), ("rwkv4", True)])
def test_what_is_no_recurrence_keeps_its_plain_operations(encoder: str, both_ways: bool, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", encoder, "rwkv4", agents=3, width=16, encoder_bidirectional=both_ways)
    graphs = operator_graphs(bundle)
    assert graphs["encoder"] == bundle.read("encoder.onnx") and len(nodes(graphs["step"])) == 1


def test_a_policy_without_rwkv4_is_refused() -> None:
    with pytest.raises(Refused, match=(r"operator mat_ros::WKV: expected a policy whose encoder or decoder is causal "
                                       r"RWKV-4, got encoder attention, decoder attention; use its plain graphs")):
        operator_graphs(Bundle.load(BUNDLES / "attention"))


def test_without_the_native_library_the_operator_is_missing(kept: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, graphs = kept
    monkeypatch.setattr("mat_ros.backends.onnxruntime_backend.LIBRARY", Path("nowhere.so"))
    with pytest.raises(Missing, match="the operator mat_ros::WKV is missing"):
        OnnxRuntimeBackend(bundle, graphs=graphs)


def test_the_command_writes_the_graphs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["graphs", str(BUNDLES / "rwkv4"), "--engines", str(tmp_path)]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / f"{name}.wkv.onnx") for name in ("encoder", "step")]
    assert len(nodes((tmp_path / "step.wkv.onnx").read_bytes())) == 1


# ---- on the way into an engine --------------------------------------------------------------------------------------


def test_an_engine_with_the_plugin_is_built_of_those_graphs_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built: list[bytes] = []

    def build_plan(graph: bytes, *arguments: Any, plugins: bool, **options: Any) -> tuple[bytes, int]:
        assert plugins
        built.append(graph)
        return b"a plan", 14

    bundle, flavour = Bundle.load(BUNDLES / "rwkv4"), Flavour("tensorrt", SimpleNamespace(), "10.16.1")
    monkeypatch.setattr(wkv_plugin, "register", lambda flavour: None)
    monkeypatch.setattr(build, "build_plan", build_plan)
    build.build_engines(bundle, tmp_path, flavour, wkv_plugin=True, say=lambda line: None)
    assert [len(nodes(graph)) for graph in built] == [1, 1]
    mark = read(plan_path(tmp_path, "step", "tensorrt"))
    assert mark.plugins == ("mat_ros::WKV",)
    assert mark.graph_sha256 == bundle.manifest.files["step.onnx"]  # the mark still names the bundle's own graph
    monkeypatch.setattr(command, "checked_plan", lambda *arguments: None)
    assert command.main(["list", str(BUNDLES / "rwkv4"), "--engines", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("with mat_ros::WKV") == 2


def test_the_network_is_told_to_prefer_ahead_of_time_plugins() -> None:
    asked: list[int] = []

    class Builder:
        def __init__(self, log: object) -> None:
            pass

        def create_network(self, flags: int) -> None:
            asked.append(flags)
            raise StopIteration  # the test needs no more of the build

    flags = SimpleNamespace(STRONGLY_TYPED=1, PREFER_AOT_PYTHON_PLUGINS=2)
    library = SimpleNamespace(Builder=Builder, NetworkDefinitionCreationFlag=flags, ILogger=object)
    for plugins in (False, True):
        with pytest.raises(StopIteration):
            build.build_plan(b"", {}, Flavour("tensorrt", library, "10.16.1"), limit_s=1.0, plugins=plugins)
    assert asked == [0b010, 0b110]


# ---- with the library that builds without a GPU ---------------------------------------------------------------------


@pytest.mark.slow
def test_tensorrt_for_rtx_knows_no_such_operator(kept: Any, rtx: Flavour) -> None:
    bundle, graphs = kept
    with pytest.raises(Refused, match="expected a graph of known operators, got .*Plugin not found"):
        build.build_plan(graphs["step"], build.profile(bundle, "step"), rtx, limit_s=60.0, say=lambda line: None)


@pytest.mark.slow
def test_a_plugin_would_stand_between_kernels_that_are_one_without_it(kept: Any, rtx: Flavour) -> None:
    for plain, with_plugin in kernels(kept[0]).values():
        assert with_plugin > plain
