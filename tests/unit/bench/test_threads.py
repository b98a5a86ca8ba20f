# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark states what each thread of a process has used, and what the host took."""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest

from mat_ros.bench.host import longest_gap_ms, steal_s, wake_us
from mat_ros.bench.threads import ThreadCost, Usage, read_threads, thread_costs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux states the use of each thread in /proc")


def test_a_thread_that_computes_is_told_from_one_that_waits():
    end = threading.Event()

    def compute() -> None:
        _name("computes")
        while not end.is_set():
            sum(range(1000))

    def wait() -> None:
        _name("waits")
        while not end.wait(0.01):
            pass

    threads = [threading.Thread(target=work) for work in (compute, wait)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    before = read_threads(os.getpid())
    time.sleep(0.3)
    after = read_threads(os.getpid())
    end.set()
    for thread in threads:
        thread.join()
    assert after["computes"].run_ns - before["computes"].run_ns > 10 * (after["waits"].run_ns - before["waits"].run_ns)
    assert after["waits"].waits > before["waits"].waits


def test_costs_are_the_median_of_the_processes_of_a_role_per_tick():
    before = [{"main": Usage(run_ns=1_000_000)}] * 3
    after = [{"main": Usage(used * 1_000_000, kernel=30, user=10, waits=100, preempted=20)} for used in (3, 5, 10)]
    expected = ThreadCost("node", "main", 3, us=40.0, worst_us=90.0, kernel_share=0.75, waits=1.0, preempted=0.2)
    assert thread_costs(["node"] * 3, before, after, ticks=100.0) == [expected]


def test_a_thread_that_began_during_the_measurement_counts_and_an_idle_one_does_not():
    after = [{"new": Usage(run_ns=5_000_000), "idle": Usage(run_ns=900)}]
    assert [(part.thread, part.us) for part in thread_costs(["node"], [{}], after, ticks=10.0)] == [("new", 500.0)]


def test_the_host_is_measured_in_real_units():
    assert 0.0 < longest_gap_ms(0.05) < 10_000.0
    assert 0.0 <= wake_us() < 100_000.0
    assert steal_s() >= 0.0


def _name(name: str) -> None:
    """Name the present thread for the kernel."""
    with open(f"/proc/self/task/{threading.get_native_id()}/comm", "w") as comm:
        comm.write(name)
