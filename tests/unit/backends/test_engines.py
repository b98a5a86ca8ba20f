# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""An engine runs only with the bundle, library and machine of its build; else one sentence names the difference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mat_ros.backends.choose import open_backend
from mat_ros.backends.tensorrt_fingerprint import Fingerprint, checked_plan, digest, plan_path, read, write
from mat_ros.backends.tensorrt_flavour import MODULES, Flavour
from mat_ros.backends.tensorrt_machine import Machine, this_machine
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from support.places import BUNDLES
from trt_engines import __main__ as command
from trt_engines.build import build_engines, build_plan, profile

PLAN = b"a plan"
ROBOT_PC = Machine("Linux", "x86_64", "NVIDIA Test GPU", "8.9", "13.0")


@pytest.fixture()
def engine(tmp_path: Path) -> tuple[Path, Bundle, Fingerprint]:
    bundle = Bundle.load(BUNDLES / "rwkv4")
    mark = Fingerprint(
        graph="step", flavour="tensorrt", version="10.3.0", graph_sha256=bundle.manifest.files["step.onnx"],
        weights_sha256=bundle.manifest.files["weights.safetensors"], plan_sha256=digest(PLAN), built_on=ROBOT_PC,
        capabilities=(), precision="float32", profile=profile(bundle, "step"), kernels=11, build_seconds=1.0,
    )
    path = plan_path(tmp_path, "step", "tensorrt")
    path.write_bytes(PLAN)
    write(path, mark)
    return path, bundle, mark


def test_an_engine_on_the_machine_and_for_the_bundle_that_it_was_built_for_is_given(engine: Any) -> None:
    path, bundle, mark = engine
    assert checked_plan(path, bundle, "10.3.0", ROBOT_PC) == (PLAN, mark)


@pytest.mark.parametrize(("change", "sentence"), [
    ({"graph_sha256": "0" * 64}, "graph of random: expected 0000"),
    ({"weights_sha256": "0" * 64}, "weights of random: expected 0000"),
    ({"plan_sha256": "0" * 64}, "plan: expected 0000"),
    ({"version": "10.4.0"}, "version of tensorrt: expected 10.4.0, got 10.3.0"),
    ({"built_on": replace(ROBOT_PC, system="Windows")}, "operating system: expected Windows, got Linux"),
    ({"built_on": replace(ROBOT_PC, processor="aarch64")}, "processor: expected aarch64, got x86_64"),
    ({"built_on": replace(ROBOT_PC, gpu="Another GPU")}, r"GPU: expected Another GPU \(8.9\), got NVIDIA Test GPU"),
    ({"built_on": replace(ROBOT_PC, capability="8.7")}, r"GPU: expected NVIDIA Test GPU \(8.7\)"),
    ({"built_on": replace(ROBOT_PC, driver_cuda="13.1")}, "CUDA of the driver: expected at least 13.1, got 13.0"),
    ({"capabilities": ("8.0", "12.0")}, r"compute capability: expected one of \['8.0', '12.0'\], got 8.9"),
])
def test_whatever_differs_is_refused_with_the_command_that_mends_it(
    engine: Any, change: dict[str, Any], sentence: str
) -> None:
    path, bundle, mark = engine
    write(path, replace(mark, **change))
    with pytest.raises(Refused, match=sentence) as caught:
        checked_plan(path, bundle, "10.3.0", ROBOT_PC)
    assert f"run `mat-ros engines build {bundle.folder} --flavour tensorrt`" in str(caught.value)


def test_a_machine_without_a_gpu_is_refused(engine: Any) -> None:
    path, bundle, _ = engine
    with pytest.raises(Refused, match="GPU: expected an NVIDIA GPU with a driver, got none"):
        checked_plan(path, bundle, "10.3.0", Machine("Linux", "x86_64"))


@pytest.mark.parametrize("spoil", [
    lambda path: path.with_suffix(".yaml").unlink(),
    lambda path: path.with_suffix(".yaml").write_text("- nothing\n"),
    lambda path: path.with_suffix(".yaml").write_text("schema: 99\n"),
    lambda path: path.with_suffix(".yaml").write_text("schema: 1\nbuilt_on: {}\n"),
    lambda path: path.with_suffix(".yaml").write_text("{"),
    lambda path: path.unlink(),
    lambda path: path.write_bytes(PLAN[:-1]),
])
def test_a_missing_or_broken_fingerprint_or_plan_is_refused(engine: Any, spoil: Callable[[Path], object]) -> None:
    path, bundle, _ = engine
    spoil(path)
    with pytest.raises(Refused, match=r"engines build|newer mat_ros"):
        checked_plan(path, bundle, "10.3.0", ROBOT_PC)


def test_a_fingerprint_reads_back_as_it_was_written(engine: Any) -> None:
    path, _, mark = engine
    assert read(path) == mark


def test_an_engine_that_was_never_built_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mat_ros.backends.tensorrt_opening.load_flavour", lambda name: Flavour(name, None, "1"))
    with pytest.raises(Refused, match=r"expected a fingerprint beside it, got No such file"):
        open_backend("tensorrt", Bundle.load(BUNDLES / "rwkv4"))


def test_the_command_says_what_is_wrong_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["build", str(BUNDLES), "--flavour", "tensorrt_rtx"]) == 2
    assert capsys.readouterr().err.startswith("error: bundle file ")


def test_doctor_speaks_of_both_flavours(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in MODULES) and "GPU" in said


# ---- with the library that builds without a GPU ---------------------------------------------------------------------

KERNELS = {  # after fusion; a larger number shows that a graph fuses worse
    "rwkv4": {"encoder": 17, "step": 11},
    "attention": {"encoder": 17, "step": 31},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rwkv4", "attention"])
def test_every_graph_builds_into_no_more_kernels_than_before(rtx: Flavour, kind: str, tmp_path: Path) -> None:
    bundle = Bundle.load(BUNDLES / kind)
    marks = build_engines(bundle, tmp_path, rtx, say=lambda line: None)
    assert {mark.graph for mark in marks} == set(KERNELS[kind])
    for mark in marks:
        assert 1 <= mark.kernels <= KERNELS[kind][mark.graph]
    for mark in marks:
        path = plan_path(tmp_path, mark.graph, rtx.name)
        assert read(path) == mark
        if not this_machine().gpu:
            with pytest.raises(Refused, match="expected an NVIDIA GPU"):
                checked_plan(path, bundle, rtx.version, this_machine())


@pytest.mark.slow
def test_a_build_that_takes_too_long_is_stopped(rtx: Flavour) -> None:
    bundle = Bundle.load(BUNDLES / "rwkv4")
    with pytest.raises(Refused, match=r"expected a plan within 0.001 s, got none in that time; give it longer"):
        build_plan(bundle.read("step.onnx"), profile(bundle, "step"), rtx, limit_s=0.001, say=lambda line: None)


@pytest.mark.slow
def test_a_gpu_that_the_library_does_not_know_is_refused_with_those_that_it_knows(rtx: Flavour) -> None:
    bundle = Bundle.load(BUNDLES / "rwkv4")
    with pytest.raises(Refused, match=r"expected one of \[.*'SM89'.*\], got SM10"):
        build_plan(bundle.read("step.onnx"), profile(bundle, "step"), rtx, limit_s=60.0, capabilities=("1.0",))


@pytest.mark.slow
def test_a_graph_that_is_none_is_refused_in_the_words_of_the_parser(rtx: Flavour) -> None:
    with pytest.raises(Refused, match="expected a graph of known operators"):
        build_plan(b"no graph", {}, rtx, limit_s=60.0)
