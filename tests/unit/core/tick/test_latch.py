# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A stop stays on disk until an operator names the robot."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.tick.latch import STATE, StopLatch, state_folder, stops


def test_a_stop_is_found_by_every_process_that_looks_and_keeps_its_first_cause(tmp_path: Path):
    StopLatch("arm", tmp_path).write("missed ticks: elbow")
    StopLatch("arm", tmp_path).write("no command came from the safety gate")
    stop = StopLatch("arm", tmp_path).read()
    assert stop is not None and (stop.robot, stop.cause) == ("arm", "missed ticks: elbow")
    assert StopLatch("leg", tmp_path).read() is None
    assert [found.robot for found in stops(tmp_path)] == ["arm"]


@pytest.mark.parametrize("name", ["", "Arm", "leg"])
def test_another_name_releases_nothing(tmp_path: Path, name: str):
    latch = StopLatch("arm", tmp_path)
    latch.write("operator")
    with pytest.raises(Refused, match="resume: expected the robot's name, arm, got"):
        latch.release(name)
    assert latch.read() is not None
    assert latch.release("arm").cause == "operator" and latch.read() is None and stops(tmp_path) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"robot": "arm"}'])
def test_a_file_that_cannot_be_read_counts_as_a_stop(tmp_path: Path, text: str):
    latch = StopLatch("arm", tmp_path)
    latch.file.write_text(text)
    assert "cannot be read" in latch.read().cause


def test_the_names_of_robots_stay_inside_the_folder(tmp_path: Path):
    assert StopLatch("../../etc/passwd", tmp_path).file.parent == tmp_path


def test_the_state_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv(STATE, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_folder() == tmp_path / "mat_ros"
    monkeypatch.setenv(STATE, str(tmp_path / "else"))
    assert state_folder() == tmp_path / "else"


def test_a_slow_disk_delays_no_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    slow, flushed = threading.Event(), threading.Event()

    def fsync(_number: int) -> None:
        slow.wait()
        flushed.set()

    monkeypatch.setattr(os, "fsync", fsync)
    StopLatch("arm", tmp_path).write("operator")  # returns while the disk is busy
    assert StopLatch("arm", tmp_path).read().cause == "operator" and not flushed.is_set()
    slow.set()
    assert flushed.wait(10.0)


def test_a_stop_that_a_full_disk_does_not_take_says_so_and_ends_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_words: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    stop = StopLatch("arm", tmp_path).write("operator")
    assert stop.cause == "operator (not on disk, so a restart forgets it: [Errno 28] No space left on device)"
    assert StopLatch("arm", tmp_path).read() is None
