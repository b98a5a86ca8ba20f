# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""When the driver itself hangs, the timeout of the drive ends the last command: the driver has set that timeout."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.tick.latch import STATE, StopLatch
from mat_ros.hardware.guest import Guest, driver_address
from mat_ros.nodes.driver import DRIVE_PERIODS
from support.places import BUNDLES, ROOT, TESTS
from support.timed_drive import PORT, Drive

BUNDLE = Bundle.load(BUNDLES / "rwkv4")
PERIOD_S = BUNDLE.manifest.period_ns * 1e-9
BUSY_S = 5.0  # by which a busy machine may be late


def until(true: Callable[[], bool], patience_s: float = 30.0) -> bool:
    give_up = time.monotonic() + patience_s
    while time.monotonic() < give_up:
        if true():
            return True
        time.sleep(0.002)
    return False


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A drive, and a driver process that commands it."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv(STATE, str(tmp_path / "state"))
    with Drive() as drive:
        environment = {**os.environ, PORT: str(drive.port), "PYTHONPATH": os.pathsep.join((str(TESTS), str(ROOT)))}
        process = subprocess.Popen([sys.executable, "-m", "mat_ros.nodes", "driver", "--ros-args",
                                    "-p", f"policy:={BUNDLE.folder}", "-p", "hardware:=support.timed_drive:Arm"],
                                   env=environment)
        yield drive, process
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(20.0)


def test_a_hung_driver_leaves_the_last_command_no_longer_than_the_timeout_of_the_drive(started, tmp_path: Path):
    drive, process = started
    gate = Guest(driver_address("/"))
    gate.connect(30.0)
    wanted = np.full(len(BUNDLE.manifest.joints), 0.01)
    for _ in range(10):
        gate.command(wanted)
        assert until(lambda: gate.answer() is not None)
    assert drive.timeout_s == pytest.approx(DRIVE_PERIODS * PERIOD_S)
    process.send_signal(signal.SIGSTOP)
    stopped_s = time.monotonic()
    assert until(lambda: len(drive.effort) > 0 and not drive.effort.any())
    assert time.monotonic() - stopped_s < DRIVE_PERIODS * PERIOD_S + BUSY_S
    commands = drive.commands
    process.send_signal(signal.SIGCONT)  # the driver finds that the gate has been silent, and stops the robot
    assert until(lambda: StopLatch(BUNDLE.manifest.robot, tmp_path / "state").read() is not None)
    assert until(lambda: drive.commands > commands)
    gate.close()


def test_the_drive_without_a_timeout_would_keep_the_command():
    with Drive() as drive:
        drive.effort = np.ones(2)
        time.sleep(0.3)
        assert drive.effort.all()
