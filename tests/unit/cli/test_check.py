# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""`mat-ros check` says in one table, or one JSON, whether a bundle may run, and if not why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("rich", reason="needs the package's own dependencies")

from mat_ros.backends import timing
from mat_ros.backends.native_library import LIBRARY
from mat_ros.cli import check
from mat_ros.core import shipped
from mat_ros.core.robot.description import RobotDescription
from support.places import BUNDLES

if not LIBRARY.exists():
    pytest.skip("needs the compiled native backend", allow_module_level=True)

ROBOT = str(BUNDLES / "robot.yaml")


@pytest.fixture(autouse=True)
def short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "ROUND_NS", 1_000_000)


def test_a_sound_bundle_is_ok_and_its_times_and_errors_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main([str(BUNDLES / "rwkv4"), "--robot", ROBOT, "--backend", "native", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True and report["reason"] == ""
    row = report["backends"]["native"]
    assert row["ok"] and row["equality"] == "tolerance" and 0.0 < row["max_err"] < 1e-5
    assert 0.0 < row["step_us_p50"] <= row["step_us_p99"] and row["step_us_p50"] < row["tick_us_p50"]


def test_the_table_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main([str(BUNDLES / "attention"), "--backend", "native"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("native" in line and "same" in line for line in lines)
    assert all(len(line) <= 80 for line in lines[1:])


def test_a_perturbed_weight_is_refused_before_anything_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(shutil.copytree(BUNDLES / "rwkv4", tmp_path / "bundle"))
    weights = bytearray((folder / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(weights)
    assert check.main([str(folder), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False and report["backends"] == {}
    assert "weights.safetensors: expected sha256" in report["reason"]


def test_another_robot_is_refused_by_the_joint_that_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    other = shipped.config_file("robots", "halfcheetah")
    assert check.main([str(BUNDLES / "rwkv4"), "--robot", str(other)]) == 1
    assert "expected a joint named shoulder_pan" in capsys.readouterr().out


def test_a_backend_that_is_not_here_is_a_reason_and_no_crash(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main([str(BUNDLES / "rwkv4"), "--backend", "abacus", "--json"]) == 1
    assert "got abacus" in json.loads(capsys.readouterr().out)["reason"]


def test_a_robot_file_is_checked_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main([ROBOT]) == 0
    broken = tmp_path / "robot.yaml"
    broken.write_text(Path(ROBOT).read_text().replace("elbow: {lower: 0.0", "elbow: {lower: 9.0"))
    assert check.main([str(broken)]) == 1
    assert "joint elbow, limits: expected lower < upper" in capsys.readouterr().out.replace("\n", " ")


def test_actions_that_the_limits_cut_off_are_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main([ROBOT]) == 0
    assert "note  joint elbow: actions from -1 to 1 mean -0.2 to 2.2 rad, of which all outside 0 to 2.5 is" in (
        capsys.readouterr().out)
    roomy = tmp_path / "robot.yaml"
    roomy.write_text(Path(ROBOT).read_text().replace("elbow: {lower: 0.0", "elbow: {lower: -0.2"))
    assert check.main([str(roomy)]) == 0
    out = capsys.readouterr().out
    assert "note" not in out and out.endswith("ok\n")


def test_a_robot_file_is_read_back_for_a_second_pair_of_eyes(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main([ROBOT]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "test_arm 4 joints at 50 Hz" in out
    for joint in RobotDescription.load(Path(ROBOT)).joints:
        assert f"{joint.name} " in out


def test_a_misspelt_robot_file_is_answered_with_the_one_that_is_there(tmp_path: Path,
                                                                      capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "head.yaml").write_text("name: head")
    assert check.main([str(tmp_path / "head.yml")]) == 1
    assert f"did you mean {tmp_path / 'head.yaml'}?" in capsys.readouterr().out


@pytest.mark.parametrize(("there", "found"), [(True, "a folder without one"), (False, "nothing there")])
def test_what_is_neither_a_bundle_nor_a_robot_file_is_said(there: bool, found: str, tmp_path: Path,
                                                           capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "crane.yaml"
    if there:
        path.mkdir()
    assert check.main([str(path)]) == 1
    said = capsys.readouterr().out
    assert f"expected a robot file, or a policy bundle: a folder with manifest.yaml, got {found}" in said


def test_both_limits_of_every_joint_are_printed_with_the_one_that_rules(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "robot.yaml").write_text((BUNDLES / "robot.yaml").read_text())
    slow = tmp_path / "slow.yaml"
    slow.write_text('extends: robot\nname: slow\njoints: {elbow: {rate: 0.001}, wrist: {effort: 99.0}}\n')
    arguments = [str(BUNDLES / "rwkv4"), "--robot", str(slow), "--backend", "onnxruntime"]
    assert check.main(arguments) == 0
    text = capsys.readouterr().out
    assert [line.split() for line in text.splitlines() if line.startswith(("elbow", "wrist"))] == [
        ["elbow", "rate", "0.001", "10", "robot"], ["wrist", "effort", "99", "2", "bundle"]]
    check.main([*arguments, "--json"])
    limits = json.loads(capsys.readouterr().out)["limits"]
    assert {"joint": "elbow", "field": "rate", "robot": 0.001, "bundle": 10.0, "ruling": 0.001,
            "ruler": "robot"} in limits


def test_a_world_that_nobody_registers_is_noted_and_no_module_of_a_user_is_imported(tmp_path: Path):
    text = ("name: crane\nrate_hz: 50\njoint_defaults: {quantity: position, unit: rad, lower: -1.0, upper: 1.0, "
            "rate: 2.0, effort: 5.0, scale: 1.0, offset: 0.0, default: 0.0, fallback: hold}\njoints: {jib: }\n")
    for world, notes in (("marsrover", 1), ("halfcheetah", 0), ("nowhere:World", 0)):
        (tmp_path / "crane.yaml").write_text(f"{text}world: {world}\n", encoding="utf-8")
        report = check.check_robot_file(tmp_path / "crane.yaml")
        assert report.ok and len(report.notes) == notes
        assert all("the world marsrover" in note and "cannot be simulated" in note for note in report.notes)
