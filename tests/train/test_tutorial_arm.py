# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The tutorial's arm works from its YAML to running nodes, in the steps of the tutorial."""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from mat_ros import Chain, Robot  # noqa: E402
from mat_ros.core.errors import Refused  # noqa: E402
from support.motion_hour import stops_of_arm  # noqa: E402
from support.places import ROOT  # noqa: E402

pytestmark = pytest.mark.train

FOLDER = ROOT / "docs" / "tutorials" / "arm"
STEPS = 160_000  # a quarter of a minute of training on a quiet machine, enough to reach the target
REACHED_M = 0.1
STILL_RAD = 0.02  # per tick; an arm without the term for haste shakes by four times as much
TARGETS = ((0.5, 0.3), (0.6, -0.25))
PATIENCE_S = 120.0  # limit of a wait, so that a hang ends


@pytest.fixture(scope="module")
def arm() -> Iterator[Any]:
    """Import the tutorial's modules, with a free port for the box."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARM_PORT", port)
        patch.syspath_prepend(FOLDER)
        patch.setenv("PYTHONPATH", str(FOLDER), prepend=os.pathsep)
        yield importlib.import_module("arm")
        for name in ("arm", "arm_task"):
            sys.modules.pop(name, None)  # `arm` knows the port


@pytest.fixture(scope="module")
def policy(arm, tmp_path_factory) -> Path:
    """Train and export a policy."""
    from training.export import ExportConfig, export_run
    from training.presets import load_preset
    from training.train import train

    folder = tmp_path_factory.mktemp("arm")
    train(replace(load_preset(str(FOLDER / "train.yaml")), run=folder / "run", steps=STEPS))
    export_run(ExportConfig(folder / "run", folder / "arm"))
    return folder / "arm"


@pytest.fixture
def box(arm) -> Iterator[Any]:
    """Start the servo box with a target."""
    started: list[subprocess.Popen[str]] = []

    def start(target: tuple[float, float]) -> None:
        process = subprocess.Popen([sys.executable, str(FOLDER / "arm.py"), *map(str, target)], stdout=subprocess.PIPE,
                                   text=True)
        started.append(process)
        assert process.stdout is not None and process.stdout.readline() == "box ready\n"

    yield start
    for process in started:
        process.kill()
        process.wait()


def distance_m(arm: Any, signals: np.ndarray) -> float:
    return float(np.linalg.norm(arm.fingertip(signals[:3].astype(np.float64)) - signals[3:]))


@pytest.mark.parametrize("target", TARGETS)
def test_plain_python_drives_the_arm_to_its_target_and_leaves_it_there(arm, policy, box, target):
    box(target)
    chain = Chain(policy)
    with Robot(arm.Arm(chain.manifest), FOLDER / "arm.yaml") as robot:
        steps = list(chain.run(robot, ticks=80))
    assert distance_m(arm, steps[-1].signals) < REACHED_M
    moved = np.abs(np.diff([step.applied.applied for step in steps], axis=0))
    assert moved.max() <= 4.0 / 50 + 1e-9  # rad: the rate of the robot file, per tick
    assert moved[-20:].max() < STILL_RAD


def test_two_minutes_of_the_watched_arm_have_no_false_stop(arm, policy):
    assert stops_of_arm(policy, 120 * 50) == []


def test_an_adapter_of_other_joints_or_another_order_is_refused(arm, policy, monkeypatch):
    monkeypatch.setattr(arm, "JOINTS", arm.JOINTS[::-1])
    chain = Chain(policy)
    with pytest.raises(Refused, match="expected the joints .*shoulder.*, got .*wrist"):
        next(iter(chain.run(Robot(arm.Arm(chain.manifest), FOLDER / "arm.yaml"), ticks=1)))


def test_the_simulated_arm_is_the_arm_of_the_training_and_a_dead_motor_stands_still(arm, policy):
    from mat_ros.backends.choose import open_backend
    from mat_ros.bench.faults.lockstep import LockStep
    from mat_ros.core.faults.schedule import Fault, Schedule

    chain = Chain(policy)
    lockstep = LockStep(chain.bundle, open_backend("native", chain.bundle), 2)
    dead = Schedule(0, [Fault("f", "actuator", "off", "elbow", 1.0, 0)])
    seen = lockstep.run(3, [Schedule(0), dead], keep=True).signals  # (tick, row, signal)
    with Robot.simulated(chain, seed=3) as robot:
        alone = np.array([step.signals for step in chain.run(robot, ticks=60)])
    assert alone.tobytes() == seen[:-1, 0].tobytes()
    assert np.ptp(seen[:, 1, 1]) == 0.0 and np.ptp(seen[:, 1, [0, 2]], axis=0).min() > 0.05
    assert distance_m(arm, alone[-1]) < distance_m(arm, alone[0])


def test_the_benchmark_of_faults_leaves_out_the_physics_that_this_world_lacks(policy, capsys):
    from mat_ros.bench.faults.benchmark import with_physics
    from mat_ros.bench.faults.grid import Grid
    from mat_ros.core.shipped import config_file

    bundle = Chain(policy).bundle
    cells = Grid.load(config_file("grids", "grid"), bundle.manifest).cells
    gone = {cell.kind for cell in cells} - {cell.kind for cell in with_physics(cells, bundle)}
    assert {"friction", "mass"} <= gone and not {"off", "stuck", "drop", "crash"} & gone
    assert "arm_task:ArmWorld is no world of MuJoCo" in capsys.readouterr().err


@pytest.mark.ros
def test_nodes_drive_the_arm_to_its_target(arm, policy, box):
    from mat_ros.core.policy.bundle import Bundle
    from mat_ros.graph import launcher
    from mat_ros.graph.deployment import plan_bundle
    from mat_ros.graph.settings import LaunchSettings

    box(TARGETS[0])
    settings = LaunchSettings(robot=str(FOLDER / "arm.yaml"), sim="none", hardware="arm:Arm")
    planned = plan_bundle(settings, Bundle.load(policy))
    lines: list[str] = []
    asker = arm.Arm(planned.bundle.manifest)
    with launcher.Supervisor(planned.graph, lambda name, line: lines.append(f"{name}: {line}")) as supervisor:
        give_up, reading = time.monotonic() + PATIENCE_S, None
        while reading is None or distance_m(arm, reading.signals) > REACHED_M:
            assert time.monotonic() < give_up and supervisor.status is None, lines
            supervisor.pump(0.1)
            reading = asker.read()
    assert not [line for line in lines if "Traceback" in line]


def test_another_robots_adapter_is_refused_with_the_joints(policy):
    from mat_ros.hardware.open import own_hardware

    manifest = Chain(policy).manifest
    with pytest.raises(Refused, match="hardware nothing:Here: expected an importable module:Class"):
        own_hardware("nothing:Here", manifest)
    with pytest.raises(Refused, match="expected the methods read, write, describe, close, got no read, write"):
        own_hardware("builtins:repr", manifest)
