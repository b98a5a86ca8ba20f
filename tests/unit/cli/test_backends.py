# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""`mat-ros replay` and the benchmarks decide with any backend of the one list, engines among them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mat_ros.backends import choose
from mat_ros.backends import tensorrt_opening as opening
from mat_ros.backends.backend import BackendInfo
from mat_ros.backends.choose import BACKENDS, ENGINES
from mat_ros.bench import backends, chain, recovery
from mat_ros.bench.faults import command as faults
from mat_ros.cli import check, replay
from mat_ros.core.policy.bundle import Bundle
from support.arithmetic import Arithmetic
from support.recorded import BUNDLE, record


class Engine(Arithmetic):
    """Stands in for an engine."""

    def __init__(self, bundle: Bundle, flavour: str) -> None:
        super().__init__(bundle.manifest.network, bundle.manifest.state)
        self.flavour = flavour

    def info(self) -> BackendInfo:
        return BackendInfo(self.flavour, "10.3", "cuda:0")


@pytest.mark.parametrize("name", ENGINES)
def test_a_recording_is_decided_again_by_an_engine_within_the_tolerance(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(opening, "open_engines", Engine)
    monkeypatch.setattr(choose, "require", lambda *_: None)  # the stand-in runs another policy than the bundle's
    record(tmp_path / "run.mcap")
    assert replay.main([str(tmp_path / "run.mcap"), "--policy", str(BUNDLE), "--backend", name, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["compared"], report["differing"], report["equality"]) == (6, 0, "tolerance")


@pytest.mark.parametrize("command", [replay, check, faults, backends, chain], ids=lambda module: module.__name__)
def test_every_command_that_takes_a_backend_names_those_of_the_one_list(
    command: object, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.main(["--help"])
    said = "".join(capsys.readouterr().out.split())
    assert ",".join(BACKENDS) in said


@pytest.mark.parametrize("command", [faults, chain, recovery], ids=lambda module: module.__name__)
def test_every_command_that_takes_a_mode_names_those_of_the_one_list(
    command: object, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.main(["--help"])
    assert "{strict,bounded,optimistic}" in "".join(capsys.readouterr().out.split())
