# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""`mat-ros report` shows any recording on one page, and names what the recording does not hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mat_ros.cli import report
from mat_ros.core.errors import Refused
from support.recorded import BUNDLE, record


def write(path: Path, *words: str) -> str:
    """Return the text of the page about a recording."""
    assert report.main([str(path), "--policy", str(BUNDLE), *words]) == 0
    return path.with_suffix(".html").read_text(encoding="utf-8")


def test_the_page_shows_every_joint_and_loads_nothing(tmp_path: Path) -> None:
    bundle = record(tmp_path / "run.mcap", ticks=20)
    page = write(tmp_path / "run.mcap")
    for joint in bundle.manifest.joints:
        assert f"requested, applied and measured {joint.name}" in page
    assert "<script" not in page and "http" not in page


def test_a_stop_is_shown_with_its_time_its_reason_and_what_followed(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "run.mcap", ticks=30, silent=range(10, 20))
    page = write(tmp_path / "run.mcap", "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["ticks"], found["missed"], found["stops"]) == (30, 10, 1)
    assert "no request for all joints" in page and "still stopped" in page and "a stop was latched" in page


def test_a_run_without_a_stop_has_no_stop_on_its_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "run.mcap", ticks=10)
    assert 'id="stops"' not in write(tmp_path / "run.mcap", "--json")
    assert json.loads(capsys.readouterr().out)["stops"] == 0


def test_a_truncated_recording_is_shown_up_to_its_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "run.mcap", ticks=60)
    data = (tmp_path / "run.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(data[:len(data) // 2])
    page = write(tmp_path / "cut.mcap")
    assert "cut.mcap is truncated" in page and "cut.mcap is truncated" in capsys.readouterr().out


def test_a_recording_without_a_command_says_so(tmp_path: Path) -> None:
    record(tmp_path / "run.mcap", topics=("observation",))
    assert "No command with its observation was recorded" in write(tmp_path / "run.mcap")


def test_the_page_does_not_grow_with_the_length_of_the_run(tmp_path: Path) -> None:
    for ticks in (600, 1800):
        record(tmp_path / f"{ticks}.mcap", ticks=ticks, chunk_bytes=1 << 18)
    short, long = (len(write(tmp_path / f"{ticks}.mcap")) for ticks in (600, 1800))
    assert long < 1.5 * short


def test_another_policy_is_refused(tmp_path: Path) -> None:
    record(tmp_path / "run.mcap", digest="0" * 64)
    with pytest.raises(Refused, match="recorded bundle 0000"):
        write(tmp_path / "run.mcap")
