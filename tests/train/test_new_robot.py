# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The folder of a new robot trains, exports, simulates and reaches its stand-in, in the steps of its README."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("mujoco", reason="needs the sim extra")

from mat_ros.cli import main as cli  # noqa: E402
from mat_ros.core.policy.bundle import Bundle  # noqa: E402
from mat_ros.hardware.open import open_simulated, own_hardware  # noqa: E402
from mat_ros.newrobot.folder import new_robot  # noqa: E402
from support.own_robot import standing_in  # noqa: E402
from support.places import ROOT  # noqa: E402
from support.robot_files import urdf_arm  # noqa: E402
from training.export import ExportConfig, export_run  # noqa: E402
from training.presets import load_preset  # noqa: E402
from training.train import train  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.sim]
STEPS = 40_000  # seconds of training, in which the tip comes nearer to its targets


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Iterator[Path]:
    """Return the folder of a new robot, which is the current folder."""
    place = tmp_path_factory.mktemp("new")
    new_robot(urdf_arm(place), into=place / "digger")
    with standing_in(place / "digger"):
        yield place / "digger"
    for name in ("world", "task", "bus"):
        sys.modules.pop(f"digger_{name}", None)


@pytest.fixture(scope="module")
def bundle(folder) -> Bundle:
    """Train with a motor that may be dead, and export the run."""
    train(replace(load_preset("train.yaml"), steps=STEPS, faults="random_joint_off", information="truth"))
    return export_run(ExportConfig(Path("runs/digger"), Path("policy"), ticks=20))


def test_seconds_of_training_beat_chance(folder, bundle):
    with (folder / "runs/digger/metrics.csv").open() as file:
        returns = [float(row["return"]) for row in csv.DictReader(file) if row["return"] not in ("", "nan")]
    assert returns[-1] > 0.9 * returns[0]  # the returns are negative


def test_the_bundle_names_the_world_and_the_task_and_what_it_was_trained_with(bundle):
    manifest = bundle.manifest
    assert (manifest.world, manifest.task) == ("digger_world:Digger", "digger_task:Reach_joint")
    assert (manifest.chain_information, manifest.faults) == ("truth", "random_joint_off")


def test_the_bundle_passes_its_check_with_the_robot_file(folder, bundle):
    assert cli.main(["check", "policy", "--robot", "digger.yaml", "--backend", "native"]) == 0


def test_the_runtime_simulates_the_robot(bundle):
    robot = open_simulated(bundle.manifest, "", seed=0)
    for _ in range(100):
        robot.write(np.array([joint.default for joint in bundle.manifest.joints]))
    assert robot.ended is not None and robot.ended.ticks == 100


def test_the_adapter_reads_the_stand_in_as_the_policy_observes_it(folder, bundle, monkeypatch):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    monkeypatch.setenv("DIGGER_PORT", port)
    robot = subprocess.Popen([sys.executable, "digger_bus.py"], stdout=subprocess.PIPE, text=True,
                             env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        assert robot.stdout is not None and robot.stdout.readline() == "bus ready\n"
        adapter = own_hardware("digger_bus:DiggerBus", bundle.manifest)
        command = np.array([0.3, 0.2, 1.0])
        reading = None
        for _ in range(500):
            adapter.write(command)
            reading = adapter.read() or reading
        assert reading is not None and reading.signals.shape == (bundle.manifest.layout.signal_count,)
        adapter.close()
    finally:
        robot.kill()
        robot.wait()
