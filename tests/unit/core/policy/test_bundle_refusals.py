# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A bundle that is not exactly what training wrote is refused with one sentence: expected, got, what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle, hash_files, write_manifest
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.robot.description import RobotDescription
from support.places import BUNDLES

ROBOT = RobotDescription.load(BUNDLES / "robot.yaml")


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BUNDLES / "attention", tmp_path / "bundle"))


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest as an attacker or a careless hand would: as text, hashes untouched."""
    data = yaml.safe_load((folder / "manifest.yaml").read_text())
    change(data)
    (folder / "manifest.yaml").write_text(yaml.safe_dump(data, sort_keys=False))


def refusal(folder: Path) -> str:
    with pytest.raises(Refused) as caught:
        Bundle.load(folder)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert ": expected " in sentence and ", got " in sentence and "; " in sentence
    return sentence


def test_an_untouched_bundle_loads_and_says_the_same_everywhere(folder: Path) -> None:
    assert Bundle.load(folder).digest == Bundle.load(BUNDLES / "attention").digest
    assert Bundle.load(folder).hash64 == int(Bundle.load(folder).digest[:16], 16)


@pytest.mark.parametrize("name", ["weights.safetensors", "encoder.onnx", "step.onnx", "golden.npz"])
def test_one_changed_bit_in_any_file_is_refused(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    assert f"{name}: expected sha256" in refusal(folder)


def test_a_truncated_file_is_refused(folder: Path) -> None:
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    assert "weights.safetensors: expected sha256" in refusal(folder)


def test_an_absent_file_is_refused(folder: Path) -> None:
    (folder / "step.onnx").unlink()
    assert "step.onnx: expected a readable file, got No such file" in refusal(folder)


def test_a_file_that_the_manifest_forgets_is_refused(folder: Path) -> None:
    edit(folder, lambda data: data["files"].pop("golden.npz"))
    assert "no ['golden.npz']" in refusal(folder)


def test_a_newer_schema_is_refused_before_anything_else_is_looked_at(folder: Path) -> None:
    (folder / "manifest.yaml").write_text("schema: 2\nunknown: field\n")
    assert "manifest schema: expected at most 1, got 2; install a newer mat_ros" in refusal(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
def test_a_normaliser_that_cannot_be_divided_by_is_refused(folder: Path, value: float) -> None:
    edit(folder, lambda data: data["normaliser"]["std"][1].__setitem__(2, value))
    assert "manifest normaliser std: expected 4 x 6 finite numbers, positive for std" in refusal(folder)


def test_a_normaliser_with_a_mean_that_is_not_a_number_is_refused(folder: Path) -> None:
    edit(folder, lambda data: data["normaliser"]["mean"][1].__setitem__(2, float("nan")))
    assert "manifest normaliser mean" in refusal(folder) and "1 not finite" in refusal(folder)


@pytest.mark.parametrize("name", ["../outside.onnx", "/etc/passwd", "sub/step.onnx", "extra.bin"])
def test_a_path_that_leaves_the_folder_is_refused(folder: Path, name: str) -> None:
    edit(folder, lambda data: data["files"].__setitem__(name, "0" * 64))
    assert f"got {name}" in refusal(folder)


def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "step.onnx").rename(tmp_path / "elsewhere.onnx")
    (folder / "step.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    assert "step.onnx: expected a file in the folder, got a link" in refusal(folder)


@pytest.mark.parametrize("text", ["- a\n- list\n", "{", "schema: one\n", "!!python/object/apply:os.system ['true']\n"])
def test_a_manifest_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / "manifest.yaml").write_text(text)
    assert "manifest" in refusal(folder)


def test_a_manifest_without_a_field_is_refused_with_its_name(folder: Path) -> None:
    edit(folder, lambda data: data.pop("action_std"))
    assert "action_std" in refusal(folder)


def test_a_layout_that_gives_another_observation_is_refused(folder: Path) -> None:
    edit(folder, lambda data: data["layout"]["views"].__setitem__(
        slice(None), [{**view, "parts": view["parts"][:1]} for view in data["layout"]["views"]]))
    assert "manifest layout: expected observations of 4 x 6, got (4, 1)" in refusal(folder)


def test_a_file_that_changes_after_loading_is_refused_when_it_is_read(folder: Path) -> None:
    bundle = Bundle.load(folder)
    (folder / "golden.npz").write_bytes(b"something else")
    with pytest.raises(Refused, match=r"golden.npz: expected sha256"):
        bundle.golden()


@pytest.mark.parametrize(("name", "change"), [
    ("observation", lambda array: array[:, :, :-1]), ("action", lambda array: array.astype(np.float64)),
    ("values", lambda array: array * np.nan), ("enc", lambda array: array[:0]),
])
def test_golden_ticks_of_the_wrong_kind_are_refused(folder: Path, name: str, change: Callable[..., Any]) -> None:
    with np.load(folder / "golden.npz") as file:
        arrays = dict(file)
    arrays[name] = change(arrays[name])
    np.savez(folder / "golden.npz", **arrays)
    edit(folder, lambda data: data["files"].update(hash_files(folder)))
    with pytest.raises(Refused, match=f"golden {name}: expected finite float32"):
        Bundle.load(folder).golden()


def test_golden_ticks_with_a_pickle_inside_are_refused(folder: Path) -> None:
    np.savez(folder / "golden.npz", observation=np.array([object()]))
    edit(folder, lambda data: data["files"].update(hash_files(folder)))
    with pytest.raises(Refused, match=r"golden.npz: expected an npz file of numbers"):
        Bundle.load(folder).golden()


# ---- against a robot ------------------------------------------------------------------------------------------------


def manifest_with(change: Callable[[dict[str, Any]], object]) -> Manifest:
    data = Bundle.load(BUNDLES / "attention").manifest.to_dict()
    change(data)
    return Manifest.from_dict(data)


def test_the_robot_that_it_was_made_for_is_accepted() -> None:
    Bundle.load(BUNDLES / "attention").manifest.check_robot(ROBOT)


def test_a_joint_under_another_name_is_refused() -> None:
    def rename(data: dict[str, Any]) -> None:
        data["joints"][2]["name"] = "knee"
        data["agents"] = {name: ["knee" if joint == "elbow" else joint for joint in joints]
                          for name, joints in data["agents"].items()}

    with pytest.raises(Refused, match="expected a joint named knee"):
        manifest_with(rename).check_robot(ROBOT)


def test_two_swapped_joints_with_different_limits_are_refused() -> None:
    def swap(data: dict[str, Any]) -> None:
        joints = data["joints"]
        joints[2]["name"], joints[0]["name"] = joints[0]["name"], joints[2]["name"]

    with pytest.raises(Refused, match=r"joint (shoulder_pan|elbow), offset"):
        manifest_with(swap).check_robot(ROBOT)


def test_a_robot_that_runs_at_another_rate_is_refused() -> None:
    with pytest.raises(Refused, match="control period: expected that of 100 Hz, got that of 50 Hz"):
        manifest_with(lambda data: data.__setitem__("period_ns", 10_000_000)).check_robot(ROBOT)


def test_what_is_written_reads_back_equal_to_the_last_bit(folder: Path) -> None:
    manifest = Bundle.load(folder).manifest
    digest = write_manifest(folder, manifest)
    assert Bundle.load(folder).manifest == manifest
    assert Bundle.load(folder).digest == digest
