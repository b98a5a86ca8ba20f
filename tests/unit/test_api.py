# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A robot behind `mat_ros.Robot`: its file sets its limits, and it walks to its fallback in real time."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from mat_ros import Chain, Robot
from mat_ros.core.errors import Refused
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.robot.guard import GuardSettings, MotionSettings
from mat_ros.core.tick.latch import StopLatch
from mat_ros.hardware.io import Reading, description_of
from support.places import BUNDLES


class StillArm:
    """Hardware that measures zeros and notes every command with its time."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self.commands: list[np.ndarray] = []
        self.times: list[float] = []

    def describe(self):
        return description_of(self._manifest)

    def read(self) -> Reading:
        return Reading(np.zeros(self._manifest.layout.signal_count, np.float32), time.monotonic_ns())

    def write(self, command: np.ndarray) -> None:
        self.commands.append(command.copy())
        self.times.append(time.monotonic())

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain(BUNDLES / "rwkv4")


def robot_file(folder: Path, joints: str) -> Path:
    (folder / "robot.yaml").write_text((BUNDLES / "robot.yaml").read_text())
    (folder / "own.yaml").write_text(f"extends: robot\nname: own\njoints: {joints}\n")
    return folder / "own.yaml"


def test_the_rates_of_the_robot_file_hold_every_command(chain: Chain, tmp_path: Path):
    rate = 0.001
    arm = StillArm(chain.manifest)
    with Robot(arm, robot_file(tmp_path, f"{{'*': {{rate: {rate}}}}}")) as robot:
        requested = [step.applied.requested for step in chain.run(robot, ticks=10)]
    steps = np.abs(np.diff(arm.commands, axis=0))
    assert steps.max() <= rate * chain.manifest.period_ns * 1e-9 + 1e-12
    assert steps.max() > 0.0
    assert np.abs(np.array(requested) - arm.commands[0]).max() > 0.01  # or the gate had nothing to hold back


def test_the_walk_to_the_fallback_sends_one_command_per_period(chain: Chain, tmp_path: Path):
    arm = StillArm(chain.manifest)
    far = robot_file(tmp_path, "{elbow: {default: 0.5, fallback: default, rate: 1.0}}")
    with Robot(arm, far) as robot:
        list(chain.run(robot, ticks=10))
        before = len(arm.times)
    assert arm.commands[-1][2] == pytest.approx(0.5)
    assert len(arm.times) - before > 5
    period_s = chain.manifest.period_ns * 1e-9
    walked = arm.times[-1] - arm.times[before]
    assert walked >= 0.9 * period_s * (len(arm.times) - before - 1)


def test_a_robot_that_stops_measuring_is_commanded_in_every_period_until_a_stop_is_latched(chain: Chain, monkeypatch):
    arm = StillArm(chain.manifest)
    robot = Robot(arm, guard=GuardSettings(hold_ticks=2, stop_ticks=8))
    steps = []
    for step in chain.run(robot, ticks=24):
        steps.append(step)
        if len(steps) == 5:
            monkeypatch.setattr(arm, "read", lambda: None)
    begun = steps[0].tick
    assert [step.tick for step in steps] == list(range(begun, 24))
    assert len(arm.commands) == 24 - begun
    assert [step.applied.stopped for step in steps] == [step.tick > begun + 4 + 8 for step in steps]
    held = np.array(arm.commands[5:8])
    assert (held == arm.commands[4]).all()


def test_a_write_that_fails_moves_the_next_command_nowhere(chain: Chain, monkeypatch):
    arm = StillArm(chain.manifest)
    robot = Robot(arm)
    run = chain.run(robot, ticks=20)
    next(run)
    last = robot.keeper.gate.last

    def loose(command: np.ndarray) -> None:
        raise ConnectionError("no carrier")

    monkeypatch.setattr(arm, "write", loose)
    with pytest.raises(ConnectionError):
        next(run)
    assert (robot.keeper.gate.last == last).all()


def test_a_stop_is_on_disk_and_stays_until_an_operator_names_the_robot(chain: Chain, monkeypatch):
    arm, robot_name = StillArm(chain.manifest), chain.manifest.robot
    unwatched = MotionSettings(watch="none")  # the arm stands still, whatever it is asked for
    guard = GuardSettings(hold_ticks=1, stop_ticks=2, blend_s=0.0, motion=unwatched)
    robot = Robot(arm, guard=guard)
    steps = []
    for step in chain.run(robot, ticks=12):
        steps.append(step)
        if step.applied.stopped:
            assert StopLatch(robot_name).read().cause.startswith("missed ticks: ")
        if len(steps) == 3:
            monkeypatch.setattr(arm, "read", lambda: None)
    assert steps[-1].applied.stopped
    monkeypatch.undo()

    again = Robot(arm, guard=guard)  # as a program that was started anew
    run = chain.run(again, ticks=40)
    assert all(next(run).applied.stopped for _ in range(5))
    with pytest.raises(Refused, match="expected the robot's name"):
        again.resume("another")
    assert next(run).applied.stopped
    assert again.resume(robot_name).cause.startswith("missed ticks: ")
    stopped = [step.applied.stopped for step in run]
    found = guard.agree_samples  # until then the robot holds
    assert len(stopped) > found and not any(stopped[found:])
    assert StopLatch(robot_name).read() is None


def test_the_walk_to_the_fallback_latches_no_stop(chain: Chain):
    with Robot(StillArm(chain.manifest)) as robot:
        list(chain.run(robot, ticks=8))
    assert StopLatch(chain.manifest.robot).read() is None
