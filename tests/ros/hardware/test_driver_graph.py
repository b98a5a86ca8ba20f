# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A graph that drives a robot of its own: whatever process hangs or dies, the robot is commanded, within limits."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the ros extra")
pytest.importorskip("mat_ros.msg", reason="needs compiled messages")

from mat_ros.core.tick.latch import StopLatch
from mat_ros.hardware.driver import SILENCE
from support.driven_graph import BUNDLE, driven

pytestmark = pytest.mark.ros

ROBOT = BUNDLE.manifest.robot
PERIOD_S = BUNDLE.manifest.period_ns * 1e-9
BUSY_S = 0.5  # by which a busy machine may be late
SLOW = """
extends: robot
name: slow
joints: {"*": {rate: 0.5, fallback: default}}
guard: {silence_ticks: 25, motion: {speed: 0}}  # as above; the speeds that this arm measures are made up
"""


@pytest.mark.parametrize("word", [signal.SIGSTOP, signal.SIGKILL])
def test_a_gate_that_hangs_or_dies_leaves_no_gap_and_the_robot_rests_until_an_operator_resumes_it(
        tmp_path, monkeypatch, word):
    with driven(tmp_path, monkeypatch, robot="") as run:
        stopped, count = run.pid("safety"), len(run.written)
        os.kill(stopped, word)
        run.wait(1.5)
        after = run.written[count - 1:]
        # Two periods by design, which the unit tests hold in made-up time; a busy machine wakes a process later.
        assert np.diff(after[:, 0]).max() < BUSY_S
        assert StopLatch(ROBOT, tmp_path / "state").read().cause == SILENCE
        if word is signal.SIGSTOP:
            os.kill(stopped, signal.SIGCONT)
        run.wait(4.0)  # a gate that is back moves nothing
        rest = run.written[-20:, 1:]
        assert np.ptp(rest, axis=0).max() < 1e-6
    assert (tmp_path / "closed").exists()


def test_a_hung_node_is_ended_and_started_again(tmp_path, monkeypatch):
    with driven(tmp_path, monkeypatch) as run:
        hung = run.pid("encoder")
        os.kill(hung, signal.SIGSTOP)
        assert run.until(lambda: run.pid("encoder") not in (0, hung), 40.0)
        assert not Path(f"/proc/{hung}").exists()


def test_the_limits_of_the_robot_file_reach_the_robot(tmp_path, monkeypatch):
    with driven(tmp_path, monkeypatch, robot=SLOW) as run:
        run.wait(2.0)
        found = run.written
    for apart in range(1, len(found)):  # over every stretch of time, not only from one command to the next
        way = np.abs(found[apart:, 1:] - found[:-apart, 1:]).max(axis=1)
        assert (way <= 0.5 * (found[apart:, 0] - found[:-apart, 0] + PERIOD_S)).all()
    assert np.abs(np.diff(found[:, 1:], axis=0)).max() <= 0.5 * PERIOD_S + 1e-9
    assert np.ptp(found[:, 1:], axis=0).max() > 0.05  # it did move


def test_an_adapter_whose_writes_fail_for_a_while_is_not_jerked_afterwards(tmp_path, monkeypatch):
    with driven(tmp_path, monkeypatch) as run:
        count = len(run.written)
        (tmp_path / "fail").touch()
        run.wait(1.0)
        (tmp_path / "fail").unlink()
        assert run.until(lambda: len(run.written) > count + 10, 10.0)
        steps = np.abs(np.diff(run.written[:, 1:], axis=0)).max(axis=0)
    rates = np.array([joint.rate for joint in BUNDLE.manifest.joints])
    assert (steps <= rates * PERIOD_S + 1e-9).all()
