# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""`auto` chooses the fastest backend that reproduces the golden ticks, and reports why it rejected the others."""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mat_ros.backends import choose
from mat_ros.backends import tensorrt_opening as opening
from mat_ros.backends.backend import BackendInfo
from mat_ros.backends.golden import require, verify
from mat_ros.core.errors import Missing, Refused
from mat_ros.core.policy.bundle import Bundle
from support.places import BUNDLES

BUNDLE = Bundle.load(BUNDLES / "rwkv4")


class Recorded:
    """Return the golden ticks of the file, with an error where a test sets one."""

    def __init__(self, bundle: Bundle, error: float = 0.0, wrong_tick: int = 0) -> None:
        self.golden, self.state = bundle.golden(), bundle.manifest.state.start()
        self.tick, self.error, self.wrong_tick = -1, error, wrong_tick

    def encode(self, obs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.tick += 1
        traced = min(self.tick, len(self.golden["enc"]) - 1)
        return self.golden["enc"][traced], self.golden["values"][self.tick]

    def step(self, slot: int, enc: np.ndarray, previous: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, ...]:
        action = self.golden["action"][self.tick, slot].copy()
        if self.tick == self.wrong_tick and slot == 2:
            action += np.float32(self.error)
        last = self.golden["state"][min(self.tick, len(self.golden["state"]) - 1)]
        return action, last

    def info(self) -> BackendInfo:
        return BackendInfo("recorded", "0", "cpu")


def test_a_backend_that_reproduces_the_ticks_passes() -> None:
    verdict = verify(Recorded(BUNDLE), BUNDLE)
    assert verdict.ok and verdict.max_error == 0.0 and verdict.ticks == 20


def test_an_error_names_tick_slot_joint_and_both_values() -> None:
    with pytest.raises(Refused, match=r"backend recorded .*tick 5, slot 2 \(elbow\), action of elbow; choose another"):
        require(Recorded(BUNDLE, error=0.01, wrong_tick=5), BUNDLE)


def test_an_error_below_the_tolerance_is_reported_but_passes() -> None:
    verdict = verify(Recorded(BUNDLE, error=5e-5, wrong_tick=5), BUNDLE)
    assert verdict.ok and verdict.max_error == pytest.approx(5e-5, rel=0.01)


def test_a_decision_that_is_not_a_number_is_a_difference() -> None:
    verdict = verify(Recorded(BUNDLE, error=float("nan"), wrong_tick=3), BUNDLE)
    assert not verdict.ok and "nan" in verdict.difference and "tick 3" in verdict.difference


def test_auto_skips_what_is_wrong_or_absent_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(bundle: Bundle) -> Recorded:
        raise Missing("the quickest backend", "install it")

    monkeypatch.setattr(choose, "AUTOMATIC", {
        "quickest": absent, "wrong": lambda bundle: Recorded(bundle, error=0.5), "right": Recorded, "slow": absent})
    choice = choose.choose(BUNDLE)
    assert choice.reason.startswith("right (the fastest that reproduces 20 golden ticks)")
    assert "quickest: the quickest backend is missing" in choice.reason and "wrong: backend recorded" in choice.reason


def test_auto_refuses_rather_than_run_an_unverified_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "AUTOMATIC", {"wrong": lambda bundle: Recorded(bundle, error=0.5)})
    with pytest.raises(Missing, match="a backend that can run"):
        choose.choose(BUNDLE)


def test_an_unknown_backend_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Refused, match=r"expected one of auto, native, .*tensorrt_rtx, got abacus"):
        choose.open_backend("abacus", BUNDLE)


# ---- backends that the runtime does not import ----------------------------------------------------------------------


def register(monkeypatch: pytest.MonkeyPatch, **targets: str) -> None:
    """Register backends as the entry points of an installed package do."""
    entries = EntryPoints(EntryPoint(name, target, choose.REGISTERED) for name, target in targets.items())
    monkeypatch.setattr(choose, "entry_points", lambda **wanted: entries.select(**wanted))


def test_a_registered_backend_is_opened_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "a_package", SimpleNamespace(Recorded=Recorded))
    register(monkeypatch, torch="a_package:Recorded")
    assert isinstance(choose.open_backend("torch", BUNDLE), Recorded)


def test_a_backend_that_nothing_registers_or_whose_package_lacks_something_is_missing(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch)
    with pytest.raises(Missing, match=r"the torch backend \(not registered\) is missing; run .*pip install"):
        choose.open_backend("torch", BUNDLE)
    assert "torch" not in choose.installed()
    register(monkeypatch, torch="none_such:Backend")
    with pytest.raises(Missing, match=r"the torch backend \(none_such\) is missing"):
        choose.open_backend("torch", BUNDLE)


def test_an_engine_is_opened_when_it_is_named_and_never_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(opening, "open_engines", lambda bundle, flavour: asked.append(flavour) or Recorded(bundle))
    for name in choose.ENGINES:
        choose.open_backend(name, BUNDLE)
    assert asked == ["tensorrt", "tensorrt_rtx"]
    assert set(choose.AUTOMATIC).isdisjoint(choose.ENGINES) and set(choose.installed()) <= set(choose.AUTOMATIC)


# ---- golden ticks of a backend that is named ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["native", "onnxruntime", "torch", "tensorrt"])
def test_a_named_backend_that_differs_from_the_golden_ticks_is_refused(
        name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {name: lambda bundle: Recorded(bundle, error=0.5, wrong_tick=3)}
    monkeypatch.setattr(choose, "AUTOMATIC", {**choose.AUTOMATIC, **wrong})
    monkeypatch.setattr(choose, "ENGINES", {})
    sentence = (r"^backend recorded on bundle .*: expected the golden ticks, within .*, got .* at tick 3, slot 2 "
                r"\(elbow\), .*; choose another backend")
    with pytest.raises(Refused, match=sentence) as refusal:
        choose.open_backend(name, BUNDLE)
    assert "\n" not in str(refusal.value)
    assert isinstance(choose.load_backend(name, BUNDLE), Recorded)  # for a caller that compares by itself


@pytest.mark.parametrize(("name", "file"), [("native", "weights.safetensors"), ("onnxruntime", "encoder.onnx"),
                                            ("onnxruntime", "step.onnx")])
def test_a_file_that_is_swapped_after_the_hash_check_is_refused(name: str, file: str, tmp_path: Path) -> None:
    if name not in choose.installed():
        pytest.skip(f"needs {name}")
    folder = shutil.copytree(BUNDLES / "rwkv4", tmp_path / "rwkv4")
    bundle = Bundle.load(folder)
    data = bytearray((folder / file).read_bytes())
    data[-4:] = np.float32(0.5).tobytes()
    (folder / file).write_bytes(data)
    with pytest.raises(Refused, match=f"{file}: expected sha256"):
        choose.load_backend(name, bundle)


def test_the_native_backend_runs_the_bytes_that_were_hashed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if "native" not in choose.installed():
        pytest.skip("needs native")
    folder = shutil.copytree(BUNDLES / "rwkv4", tmp_path / "rwkv4")
    bundle, read = Bundle.load(folder), Bundle.read

    def read_then_swap(self: Bundle, name: str) -> bytes:
        data = read(self, name)
        if name == "weights.safetensors":
            (folder / name).write_bytes(data[:-4] + np.float32(0.5).tobytes())
        return data

    monkeypatch.setattr(Bundle, "read", read_then_swap)
    backend = choose.load_backend("native", bundle)
    monkeypatch.undo()
    assert verify(backend, bundle).ok


@pytest.mark.skipif("native" not in choose.installed(), reason="needs the native backend")
def test_a_backend_that_was_opened_ahead_goes_to_the_first_caller_alone():
    choose.open_ahead("auto", BUNDLE)
    ahead = choose._ahead[BUNDLE.digest]
    assert choose.open_backend("auto", BUNDLE) is ahead
    assert choose.open_backend("auto", BUNDLE) is not ahead
    choose.open_ahead("onnxruntime", BUNDLE)  # has threads
    assert not choose._ahead
