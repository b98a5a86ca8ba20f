# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The WKV plugin follows the documentation of tensorrt.plugin, and is refused in one sentence without tensorrt.plugin.

TensorRT with plugins cannot be installed here. A stand-in takes its place: it checks the signatures by the documented
rules, and evaluates shapes and launch as TensorRT would when it builds an engine.
"""

from __future__ import annotations

import importlib.util
import inspect
import math
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, get_args, get_origin

import pytest

from mat_ros.backends.tensorrt_flavour import Flavour
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from support.places import ROOT
from trt_engines import __main__ as command
from trt_engines import wkv_plugin
from trt_engines.build import build_engines

BUNDLES = ROOT / "tests" / "golden" / "bundles"
INPUTS = ["key", "value", "rate", "bonus", "num", "den", "top"]


# ---- the stand-in ---------------------------------------------------------------------------------------------------


class Size(int):
    """Stand in for a symbolic size, with a known value."""


class Sizes(list[Size]):
    """Hold the sizes of a tensor."""

    def numel(self) -> Size:
        return Size(math.prod(self))


@dataclass
class TensorDesc:
    """Describe a tensor without data."""

    shape_expr: Sizes

    def like(self) -> TensorDesc:
        return TensorDesc(Sizes(self.shape_expr))


@dataclass
class KernelLaunchParams:
    """Hold grid and block of a launch."""

    grid_x: int = 1
    block_x: int = 1
    shared_mem: int = 0


class SymIntExprs:
    """Hold the integers that a kernel receives between its inputs and its outputs."""

    def __init__(self, length: int) -> None:
        self.values: list[Size | None] = [None] * length

    def __setitem__(self, index: int, value: Size) -> None:
        assert isinstance(value, Size)
        self.values[index] = value


@dataclass
class AutoTuneCombination:
    """Hold the types and layouts of a plugin, and the tactics from which TensorRT may choose."""

    io_types: str
    layouts: str
    tactics: tuple[int, ...]


@dataclass
class PluginModule(ModuleType):
    """Stand in for tensorrt.plugin."""

    found: dict[str, dict[str, Callable[..., Any]]] = field(default_factory=dict)
    TensorDesc: type = TensorDesc
    KernelLaunchParams: type = KernelLaunchParams
    SymIntExprs: type = SymIntExprs
    SymInt32: type = Size
    AutoTuneCombination: type = AutoTuneCombination

    def __post_init__(self) -> None:
        super().__init__("tensorrt_stand_in.plugin")

    def __hash__(self) -> int:
        return id(self)

    @staticmethod
    def cdiv(first: Size, second: int) -> Size:
        return Size(-(-first // second))

    def register(self, plugin_id: str) -> Callable[..., Any]:
        assert plugin_id not in self.found, "registered twice"
        return self._keep(plugin_id, "register", [], 4 * [TensorDesc])

    def autotune(self, plugin_id: str) -> Callable[..., Any]:
        return self._keep(plugin_id, "autotune", ["outputs"], [AutoTuneCombination])

    def aot_impl(self, plugin_id: str) -> Callable[..., Any]:
        return self._keep(plugin_id, "aot_impl", ["outputs", "tactic"], [str, str, KernelLaunchParams, SymIntExprs])

    def _keep(self, plugin_id: str, kind: str, extra: list[str], answers: list[type]) -> Callable[..., Any]:
        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            signature = inspect.signature(function)
            assert list(signature.parameters) == INPUTS + extra, "arguments are told apart by their names"
            assert all(signature.parameters[name].annotation is TensorDesc for name in INPUTS)
            assert get_origin(signature.return_annotation) in (tuple, list)
            assert list(get_args(signature.return_annotation)) == answers
            if "outputs" in extra:
                assert get_args(signature.parameters["outputs"].annotation) == (TensorDesc,)
            self.found.setdefault(plugin_id, {})[kind] = function
            return function

        return decorate


@pytest.fixture()
def library(monkeypatch: pytest.MonkeyPatch) -> Flavour:
    module = ModuleType("tensorrt_stand_in")
    module.QuickPluginCreationRequest = object
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(sys.modules, f"{module.__name__}.plugin", PluginModule())
    return Flavour("tensorrt", module, "10.16.1")


def described(library: Flavour) -> dict[str, Callable[..., Any]]:
    wkv_plugin.register(library)
    return sys.modules[f"{library.module.__name__}.plugin"].found["mat_ros::WKV"]


def tensors(*key: int) -> list[TensorDesc]:
    batch, width = key[0], key[-1]
    shapes = [key, key, (width,), (width,), *[(batch, width)] * 3]
    return [TensorDesc(Sizes(map(Size, shape))) for shape in shapes]


# ---- what is registered ---------------------------------------------------------------------------------------------


def test_registering_twice_registers_once(library: Flavour) -> None:
    wkv_plugin.register(library)
    assert set(described(library)) == {"register", "autotune", "aot_impl"}


@pytest.mark.parametrize("key", [(1, 64), (2, 26, 64)])
def test_outputs_have_the_shapes_of_the_operator(library: Flavour, key: tuple[int, ...]) -> None:
    outputs = described(library)["register"](*tensors(*key))
    assert [tuple(output.shape_expr) for output in outputs] == [key, *[(key[0], key[-1])] * 3]


def test_every_tactic_is_a_number_of_threads_and_all_is_float32(library: Flavour) -> None:
    [combination] = described(library)["autotune"](*tensors(1, 64), ())
    assert combination.io_types.split(", ") == ["FP32"] * 11 and combination.layouts == "LINEAR"
    assert all(tactic % 32 == 0 and 0 < tactic <= 1024 for tactic in combination.tactics)


@pytest.mark.parametrize("key", [(1, 64), (3, 50), (2, 26, 64), (1, 52, 16)])
@pytest.mark.parametrize("threads", wkv_plugin.THREADS)
def test_the_launch_covers_every_lane_once(library: Flavour, key: tuple[int, ...], threads: int) -> None:
    name, ptx, launch, sizes = described(library)["aot_impl"](*tensors(*key), (), threads)
    lanes = key[0] * key[-1]
    assert launch.block_x == threads and launch.shared_mem == 0
    assert (launch.grid_x - 1) * threads < lanes <= launch.grid_x * threads
    assert sizes.values == [lanes, key[-1], math.prod(key)]
    assert f".entry {name}(" in ptx


# ---- the PTX that is shipped ----------------------------------------------------------------------------------------


def test_the_ptx_takes_inputs_then_integers_then_outputs_and_suits_old_drivers() -> None:
    ptx = wkv_plugin.PTX.read_text()
    version = re.search(r"^\.version (\d+)\.(\d+)$", ptx, re.MULTILINE)
    assert version is not None and (int(version[1]), int(version[2])) <= (9, 0)
    assert re.findall(r"\.param \.(u\d\d)", ptx) == ["u64"] * 7 + ["u32"] * 3 + ["u64"] * 4
    assert re.search(r"^\.target sm_75$", ptx, re.MULTILINE)


def test_the_ptx_is_what_the_source_compiles_to(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("nvcc") is None or shutil.which("ptxas") is None:
        pytest.skip("needs nvcc")
    spec = importlib.util.spec_from_file_location("build_wkv_ptx", ROOT / "scripts" / "build_wkv_ptx.py")
    build_wkv_ptx = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build_wkv_ptx)
    shipped, release = wkv_plugin.PTX.read_text(), build_wkv_ptx.nvcc_release()
    made_by = re.search(r"nvcc ([\d.]+) ", shipped)
    fresh = build_wkv_ptx.compiled()  # ptxas of every release must assemble the PTX for every GPU of the list
    if made_by is None or made_by[1] != release:
        pytest.skip(f"needs nvcc {made_by and made_by[1]}, which made the shipped text")
    assert fresh == shipped, "run scripts/build_wkv_ptx.py"


# ---- where there are no such plugins --------------------------------------------------------------------------------


def test_a_library_without_ahead_of_time_plugins_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    older = Flavour("tensorrt", SimpleNamespace(__name__="tensorrt"), "10.3.0")
    with pytest.raises(Refused, match=(r"plugin mat_ros::WKV: expected a library with ahead-of-time plugins "
                                       r"\(QuickPluginCreationRequest\), got tensorrt 10.3.0; leave --wkv-plugin out")):
        build_engines(Bundle.load(BUNDLES / "rwkv4"), tmp_path / "engines", older, wkv_plugin=True)
    assert not (tmp_path / "engines").exists()


def test_a_library_that_lost_its_plugin_module_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("tensorrt_without_plugins")
    module.QuickPluginCreationRequest = object
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(Refused, match="expected a module tensorrt.plugin, got tensorrt_without_plugins.plugin: "):
        wkv_plugin.register(Flavour("tensorrt", module, "11.0"))


def test_tensorrt_for_rtx_has_no_such_plugins_and_says_so_in_one_line(
    rtx: Flavour, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["build", str(BUNDLES / "rwkv4"), "--flavour", rtx.name, "--engines", str(tmp_path / "engines"),
                         "--wkv-plugin"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: plugin mat_ros::WKV: expected a library with ahead-of-time plugins")
    assert rtx.version in said and said.count("\n") == 1
