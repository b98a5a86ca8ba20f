# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""`mat-ros replay` and `mat-ros diff` say in a sentence, or in JSON, whether a recording is what it claims to be."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("rich", reason="needs the package's own dependencies")

from mat_ros.cli import diff, main, replay
from mat_ros.core.record.writer import Writer
from support.arithmetic import Arithmetic
from support.recorded import BUNDLE, record


class Backend(Arithmetic):
    def info(self) -> SimpleNamespace:
        return SimpleNamespace(name="arithmetic", version="1", device="cpu")


@pytest.fixture(autouse=True)
def arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "open_backend",
                        lambda name, bundle: Backend(bundle.manifest.network, bundle.manifest.state))


def run(*words: object) -> int:
    return replay.main([*map(str, words), "--policy", str(BUNDLE)])


def test_a_true_recording_is_decided_again_to_the_bit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "run.mcap", ticks=20)
    assert run(tmp_path / "run.mcap") == 0
    assert capsys.readouterr().out.startswith("run.mcap: 20 ticks, 20 decided again, 20 equal to the bit (")


def test_a_slice_is_decided_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "run.mcap", ticks=20, lie_at=10)
    assert run(tmp_path / "run.mcap", "--from", 0.04, "--to", 0.1) == 0
    assert capsys.readouterr().out.startswith("run.mcap from 0.04 s to 0.1 s: 3 ticks, 3 decided again, 3 equal")
    assert run(tmp_path / "run.mcap", "--from", 0.2, "--json") == 1
    assert json.loads(capsys.readouterr().out) == {
        "ticks": 10, "compared": 10, "undecided": 0, "differing": 1,
        "first": {"tick": 10, "slot": 2, "field": "decision.actions"}, "equality": "bit", "truncated": False,
        "unmatched": 0, "gate": {"commands": 10, "differing": 0, "unknown": 0, "reason": ""}}
    assert run(tmp_path / "run.mcap", "--from", 0.001, "--to", 0.002) == 1
    assert "no observation was recorded in this slice" in capsys.readouterr().out


def test_a_truncated_recording_is_decided_as_far_as_it_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "run.mcap", ticks=20)
    data = (tmp_path / "run.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(data[:len(data) // 2])
    assert run(tmp_path / "cut.mcap") == 0
    assert "cut.mcap is truncated: what was recorded later than 0." in capsys.readouterr().out
    assert diff.main([str(tmp_path / "run.mcap"), str(tmp_path / "cut.mcap")]) == 1
    assert "cut.mcap is truncated: what was recorded later than 0." in capsys.readouterr().out


def test_a_command_that_the_gate_did_not_make_is_named_with_tick_and_joint(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def change(topic: str, message: SimpleNamespace) -> None:
        if topic == "applied" and message.tick == 7:
            message.applied = message.applied + 100.0

    record(tmp_path / "run.mcap", ticks=20, silent=(3,), change=change)
    assert run(tmp_path / "run.mcap") == 1
    printed = capsys.readouterr().out
    assert "20 ticks, 19 decided again, 18 equal to the bit" in printed
    assert "1 ticks not compared, since no node decided in them" in printed
    assert "first difference: tick 7, slot 0, joint shoulder_pan, applied.applied" in printed
    assert "gate: 20 commands computed again, 19 equal to the bit" in printed


@pytest.mark.parametrize(("words", "sentence"), [
    (("--from", "9"), "start of the slice: expected 0 to 0.100 s, got 9 s; name a time within the recording"),
    (("--from", "0.05", "--to", "0.01"), "end of the slice: expected a time behind 0.05 s, got 0.01 s; name a later"),
])
def test_a_slice_outside_of_the_recording_is_refused_in_one_sentence(
        words: tuple[str, ...], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "run.mcap")
    assert main.main(["replay", str(tmp_path / "run.mcap"), *words]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1


@pytest.mark.parametrize("command", ["replay", "diff"])
@pytest.mark.parametrize(("name", "text"), [("digest", "no JSON"), ("seed", "1e999"), ("backend", "[1, 2]")])
def test_metadata_that_says_nothing_is_refused_in_one_sentence(
        command: str, name: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = Writer(tmp_path / "run.mcap")
    writer.metadata("mat_ros", {name: text})
    writer.close()
    assert main.main([command, *[str(tmp_path / "run.mcap")] * (1 + (command == "diff"))]) == 2
    error = capsys.readouterr().err
    assert f"metadata {name}: expected" in error and error.count("\n") == 1
