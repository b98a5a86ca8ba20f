# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Plain Python: what a reader of the README types first."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("mujoco", reason="needs the sim extra")

import mat_ros
from mat_ros import Chain, Robot
from mat_ros.core.errors import Refused
from mat_ros.core.tick.safety import Reason

pytestmark = pytest.mark.sim

POLICY = "dexhands_door_mat"


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain(POLICY)


def test_two_hands_open_the_door_and_do_it_the_same_way_twice(chain: Chain):
    results = []
    for _ in range(2):
        with Robot.simulated(chain) as robot:
            commands = [step.applied.applied for step in chain.run(robot, ticks=250)]
            results.append((robot.hardware.result(), np.array(commands).tobytes()))
    assert results[0] == results[1]
    assert results[0][0].success and results[0][0].ticks == 250


def test_a_robot_is_given_its_commands_within_limits_and_rates(chain: Chain, tmp_path: Path):
    shutil.copytree(chain.bundle.folder, tmp_path / POLICY)  # with rates that its decisions exceed
    manifest = yaml.safe_load((tmp_path / POLICY / "manifest.yaml").read_text(encoding="utf-8"))
    for joint in manifest["joints"]:
        joint["rate"] = 0.5
    (tmp_path / POLICY / "manifest.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False), encoding="utf-8")
    slow = Chain(tmp_path / POLICY)
    with Robot.simulated(slow) as robot:
        steps = list(slow.run(robot, ticks=20))
    commands = np.array([step.applied.applied for step in steps])
    requested = np.array([step.applied.requested for step in steps])
    lower, upper, rate = np.array([(joint.lower, joint.upper, joint.rate) for joint in slow.manifest.joints]).T
    step = rate * slow.manifest.period_ns * 1e-9
    assert (commands >= lower).all() and (commands <= upper).all()
    assert (np.abs(np.diff(commands, axis=0)) <= step + 1e-12).all()
    assert (np.abs(requested[1:] - commands[:-1]) > step).sum() > 20  # or the gate had nothing to hold back


def test_a_measurement_that_is_not_finite_leaves_the_gate_to_help_itself(chain: Chain):
    signals = np.zeros(chain.manifest.layout.signal_count, np.float32)
    assert chain.decide(signals) is not None
    signals[0] = np.nan
    assert chain.decide(signals) is None
    with Robot.simulated(chain) as robot:
        steps = chain.run(robot)
        healthy = [next(steps) for _ in range(3)][-1]
        reading = robot.hardware.read
        robot.hardware.read = lambda: type(reading())(np.full_like(reading().signals, np.nan), 0)
        blind = next(steps)
    missing = int(Reason.MISSING)
    assert (blind.applied.reasons & missing).all() and not (healthy.applied.reasons & missing).any()
    assert blind.applied.applied.tolist() == healthy.applied.applied.tolist()


def test_the_robot_of_another_policy_is_refused_with_its_joints(chain: Chain):
    with Robot.simulated(chain) as robot:
        robot.hardware._description = type(robot.hardware.describe())(("x",), np.zeros(1), np.ones(1), 1)
        with pytest.raises(Refused, match="expected the joints .*robot0:FFJ3.*, got \\['x'\\]"):
            next(chain.run(robot))


def test_importing_the_package_alone_loads_neither_numpy_nor_ros():
    code = "import sys, mat_ros; print([m for m in ('numpy', 'rclpy', 'mujoco', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        mat_ros.Nothing


def test_a_robot_that_never_measures_and_one_that_measures_something_else_are_said(chain: Chain):
    with Robot.simulated(chain) as robot:
        read = robot.hardware.read
        robot.hardware.read = lambda: None
        with pytest.raises(Refused, match="robot: expected a first measurement, got none in 3 ticks; start the robot"):
            list(chain.run(robot, ticks=3))
        robot.hardware.read = lambda: type(read())(read().signals[:-1], 0)
        with pytest.raises(Refused, match=r"measurements of the robot: expected \d+ numbers: .*, got \d+; let read"):
            next(chain.run(robot))
