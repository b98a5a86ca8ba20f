# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The link of the safety gate states what became of each command, so that the gate can react to its driver."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from mat_ros.core.errors import Missing, Refused
from mat_ros.core.tick.latch import STATE, StopLatch
from mat_ros.hardware import gate_link
from mat_ros.hardware.gate_link import DriverLink, Fate, GateLink
from mat_ros.hardware.wire import Receipt

PERIOD = 1_000_000
NOWHERE = np.zeros(2, dtype=bool)


class Driver:
    """Answer as the test says, in place of the connection to a driver."""

    def __init__(self, address: Path) -> None:
        self.there, self.answers, self.heard = True, list[Receipt](), list[str]()
        self.waits = False

    def connect(self, patience_s: float = 0.0) -> None:
        pass

    def command(self, values: object, found: object) -> None:
        self._say("command")
        self.waits = True

    def answer(self) -> Receipt | None:
        if not self.there:
            raise Missing("an answer of the driver", "see whether its process still runs")
        if not self.answers:
            return None
        self.waits = False
        return self.answers.pop(0)

    def keep(self) -> None:
        self._say("keep")

    def release(self) -> None:
        self._say("release")

    def let_go(self) -> None:
        self._say("let go")

    def _say(self, word: str) -> None:
        if not self.there:
            raise Missing("an answer of the driver", "see whether its process still runs")
        self.heard.append(word)


@pytest.fixture
def now() -> list[int]:
    return [0]


@pytest.fixture
def link(now: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DriverLink:
    monkeypatch.setattr(gate_link, "Guest", Driver)
    monkeypatch.setenv(STATE, str(tmp_path))
    return DriverLink("arm", tmp_path / "driver", PERIOD, lambda: now[0])


def driver_of(link: DriverLink) -> Driver:
    return link._driver  # type: ignore[return-value]


def test_a_command_that_was_taken_is_reported_once(link: DriverLink):
    assert link.command(np.zeros(2), NOWHERE) == ""
    driver_of(link).answers = [Receipt(1, taken=True)]
    assert link.fate() == Fate(taken=True)
    assert link.fate() is None


def test_an_answer_may_take_half_a_period_and_is_missed_after_it(link: DriverLink, now: list[int]):
    link.command(np.zeros(2), NOWHERE)
    now[0] = PERIOD // 2
    assert link.fate() is None
    now[0] += 1
    assert link.fate() == Fate(reason="the driver does not answer")


def test_the_gate_finds_the_robot_again_after_its_driver_ended(link: DriverLink):
    link.command(np.zeros(2), NOWHERE)
    driver_of(link).there = False
    ended = link.fate()
    assert ended is not None and ended.misplaced and ended.reason and not ended.taken


def test_a_command_without_a_driver_names_the_reason_at_once_and_only_once(link: DriverLink):
    driver_of(link).there = False
    assert link.command(np.zeros(2), NOWHERE).startswith("an answer of the driver is missing")
    assert link.fate() == Fate(misplaced=True)
    driver_of(link).there = True
    assert link.fate() is None


def test_a_refused_command_states_a_stop_that_the_driver_has_latched(link: DriverLink, tmp_path: Path):
    link.command(np.zeros(2), NOWHERE)
    driver_of(link).answers = [Receipt(1, taken=False, reason="too fast", misplaced=True)]
    assert link.fate() == Fate(reason="too fast", misplaced=True)
    StopLatch("arm", tmp_path).write("the gate was silent")
    link.command(np.zeros(2), NOWHERE)
    driver_of(link).answers = [Receipt(2, taken=False, reason="stopped")]
    assert link.fate() == Fate(reason="stopped", stopped=True)


def test_the_driver_is_told_one_period_after_a_command_that_the_gate_runs(link: DriverLink, now: list[int]):
    assert link.keep() == "" and link.keep_ns is None
    link.command(np.zeros(2), NOWHERE)
    assert link.keep_ns == PERIOD
    now[0] = PERIOD - 1
    link.keep()
    assert driver_of(link).heard == ["command"]
    now[0] = PERIOD
    link.keep()
    link.keep()
    assert driver_of(link).heard == ["command", "keep"] and link.keep_ns is None


def test_a_stop_keeps_its_first_cause_until_an_operator_names_the_robot(link: DriverLink):
    causes: list[str] = []
    for cause in ("silence", "motion"):
        link.latch(cause, causes.append)
        link.close()
    assert causes == ["silence", "silence"]
    with pytest.raises(Refused, match="the robot's name, arm"):
        link.release("leg")
    assert link.stop() is not None and driver_of(link).heard == []
    released = link.release("arm")
    assert released is not None and released.cause == "silence" and link.stop() is None
    assert driver_of(link).heard == ["release"]


def test_the_gate_goes_on_while_the_disk_takes_its_time_and_is_told_when_the_stop_is_on_it(
        link: DriverLink, monkeypatch: pytest.MonkeyPatch):
    free, causes = threading.Event(), list[str]()
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda path, to: free.wait(10.0) and replace(path, to))
    link.latch("silence", causes.append)  # returns while the disk is busy
    assert link.latching and causes == [] and link.stop() is None
    free.set()
    link.close()
    assert not link.latching and causes == ["silence"] and link.stop() is not None


def test_a_simulated_robot_needs_no_driver_and_no_stop_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(STATE, str(tmp_path))
    link, causes = GateLink(), list[str]()
    link.latch("silence", causes.append)
    assert causes == ["silence"] and not link.latching and link.stop() is None and list(tmp_path.iterdir()) == []
    assert link.command(np.zeros(2), NOWHERE) == link.keep() == "" and link.fate() is None and link.keep_ns is None
