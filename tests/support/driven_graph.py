# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run a graph that drives the logged arm in a test."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.tick.latch import STATE
from mat_ros.graph.deployment import plan_bundle
from mat_ros.graph.launcher import Supervisor
from mat_ros.graph.settings import LaunchSettings
from support.logged_arm import FOLDER, writes
from support.places import BUNDLES, TESTS

BUNDLE = Bundle.load(BUNDLES / "rwkv4")
PATIENT = """
extends: robot
name: patient
guard: {silence_ticks: 25}
"""  # on a busy machine, a gate that runs may be silent for longer than two periods


class Run:
    """A graph of the golden arm behind an adapter that notes what it is told."""

    def __init__(self, folder: Path, supervisor: Supervisor) -> None:
        self.folder, self.supervisor = folder, supervisor

    def until(self, done: Callable[[], bool], seconds: float) -> bool:
        give_up = time.monotonic() + seconds
        while not done() and time.monotonic() < give_up:
            self.supervisor.pump(0.05)
        return done()

    def wait(self, seconds: float) -> None:
        self.until(lambda: False, seconds)

    def pid(self, name: str) -> int:
        process = self.supervisor.processes[name].popen
        return process.pid if process is not None else 0

    @property
    def written(self) -> np.ndarray:
        return writes(self.folder)


@contextmanager
def driven(folder: Path, monkeypatch: pytest.MonkeyPatch, robot: str = PATIENT, wiring: str = "central",
           **more: Any) -> Iterator[Run]:
    """Start a graph whose adapter writes into a folder, and wait until it commands. `robot` is the text of its file."""
    if robot:
        (folder / "robot.yaml").write_text((BUNDLES / "robot.yaml").read_text())
        (folder / "own.yaml").write_text(robot)
        robot = str(folder / "own.yaml")
    monkeypatch.setenv(FOLDER, str(folder))
    monkeypatch.setenv(STATE, str(folder / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH", "")])))
    monkeypatch.syspath_prepend(str(TESTS))
    settings = LaunchSettings(policy=str(BUNDLE.folder), wiring=wiring, sim="none", robot=robot,
                              hardware="support.logged_arm:Arm", **more)
    lines: list[str] = []
    with Supervisor(plan_bundle(settings, BUNDLE).graph, lambda name, line: lines.append(f"{name}: {line}")) as running:
        run = Run(folder, running)
        assert run.until(lambda: len(run.written) > 40, 60.0), lines[-20:]
        yield run
