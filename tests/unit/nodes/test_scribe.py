# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A node's log neither repeats itself nor keeps a tick waiting."""

from __future__ import annotations

import threading

import pytest

from mat_ros.nodes import scribe as module
from mat_ros.nodes.scribe import Scribe


def test_a_reason_is_logged_again_after_some_time_only_though_its_numbers_change(monkeypatch: pytest.MonkeyPatch):
    now_s, lines = [100.0], list[str]()
    monkeypatch.setattr(module.time, "monotonic", lambda: now_s[0])
    scribe = Scribe(lines.append, aside=False)
    for reason in ("elbow at 1.5 rad", "elbow at -0.2 rad", "wrist at 1.5 rad"):
        scribe.log(reason)
    assert lines == ["elbow at 1.5 rad", "wrist at 1.5 rad"]
    now_s[0] += module.AGAIN_S
    scribe.log("elbow at 3 rad")
    assert lines[2:] == ["elbow at 3 rad"]


def test_who_logs_aside_goes_on_while_the_disk_takes_its_time():
    free, lines = threading.Event(), list[str]()

    def write(line: str) -> None:
        assert free.wait(10.0)
        lines.append(line)

    scribe = Scribe(write, aside=True)
    for letter in "abcdefgh" * module.LINES:
        scribe.log(f"{letter}{letter * len(lines)}")
    assert lines == []
    free.set()
    scribe.close()
    assert lines == list("abcdefgh")


def test_lines_that_a_stuck_disk_does_not_take_are_dropped_and_the_end_does_not_wait_for_it(
        monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "END_S", 0.05)
    free = threading.Event()
    scribe = Scribe(lambda line: free.wait(10.0), aside=True)
    for number in range(2 * module.LINES):
        scribe.log("x" * number)
    scribe.close()
    free.set()
