# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A bell wakes one thread for C++ and at a given time, and ends in order."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager

import pytest

from mat_ros.nodes.bell import Bell

PATIENCE_S = 20.0


class Rung:
    """A function that remembers its calls and returns the times that a test gives it."""

    def __init__(self, *due_ns: int | None) -> None:
        self.calls: list[int] = []
        self.called = threading.Semaphore(0)
        self._due_ns = [*due_ns]

    def __call__(self) -> int | None:
        self.calls.append(time.monotonic_ns())
        self.called.release()
        return self._due_ns.pop(0) if self._due_ns else None


@contextmanager
def begun(rung, failed=pytest.fail):
    bell = Bell(rung, time.monotonic_ns, failed)
    bell.begin()
    try:
        yield bell
    finally:
        bell.end()
        bell.close()


def test_each_ring_is_answered_also_one_that_comes_during_the_work():
    entered, go_on, rung = threading.Event(), threading.Event(), []

    def work() -> None:
        rung.append(None)
        entered.set()
        assert go_on.wait(PATIENCE_S)

    with begun(work) as bell:
        os.eventfd_write(bell.number, 1)
        assert entered.wait(PATIENCE_S)
        os.eventfd_write(bell.number, 1)
        os.eventfd_write(bell.number, 1)
        go_on.set()
        deadline = time.monotonic() + PATIENCE_S
        while len(rung) < 2 and time.monotonic() < deadline:
            time.sleep(0.001)
    assert len(rung) == 2


def test_the_function_is_called_at_its_time_and_not_before():
    due_ns = time.monotonic_ns() + 50_700_000
    rung = Rung(due_ns)
    with begun(rung) as bell:
        os.eventfd_write(bell.number, 1)
        assert rung.called.acquire(timeout=PATIENCE_S) and rung.called.acquire(timeout=PATIENCE_S)
    assert len(rung.calls) == 2 and rung.calls[1] >= due_ns


def test_a_time_that_has_passed_is_due_at_once():
    rung = Rung(0, -5, None)
    with begun(rung) as bell:
        os.eventfd_write(bell.number, 1)
        assert all(rung.called.acquire(timeout=PATIENCE_S) for _ in range(3))
    assert len(rung.calls) == 3


def test_the_end_waits_for_the_work_and_nothing_is_called_after_it():
    entered, done = threading.Event(), []

    def work() -> int:
        entered.set()
        time.sleep(0.05)
        done.append(None)
        return 0  # due at once

    bell = Bell(work, time.monotonic_ns, pytest.fail)
    bell.begin()
    os.eventfd_write(bell.number, 1)
    assert entered.wait(PATIENCE_S)
    bell.end()
    seen = len(done)
    assert seen >= 1
    os.eventfd_write(bell.number, 1)
    bell.end()
    bell.close()
    assert len(done) == seen


def test_a_bell_ends_that_has_not_begun():
    bell = Bell(Rung(), time.monotonic_ns, pytest.fail)
    bell.end()
    bell.close()


def test_an_error_of_the_function_is_passed_on():
    failed: Future[int] = Future()

    def work() -> None:
        raise ZeroDivisionError

    with begun(work, failed.set_exception) as bell:
        os.eventfd_write(bell.number, 1)
        with pytest.raises(ZeroDivisionError):
            failed.result(PATIENCE_S)
