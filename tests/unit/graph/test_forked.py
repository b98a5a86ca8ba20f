# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Forked nodes: what they inherit is what they import, and nothing else of the supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from mat_ros.graph.forked import ForkedNode

PATIENCE_S = 20.0

if sys.platform != "linux":
    pytest.skip("forks nodes on Linux only", allow_module_level=True)


@pytest.fixture
def start() -> Iterator[Callable[..., ForkedNode]]:
    """Fork a node whose main function is the test's; the child has it, since it is a copy of this process."""
    started: list[ForkedNode] = []

    def start(main: Callable[[list[str]], int], *arguments: str, **environment: str) -> ForkedNode:
        started.append(ForkedNode(main, "a_node_with_a_long_name", arguments, environment, 0))
        return started[-1]

    yield start
    for node in started:
        node.kill()
        node.wait(PATIENCE_S)
        node.stdout.close()


def test_a_forked_node_gets_its_arguments_and_environment_and_nothing_else(start):
    def main(arguments: list[str]) -> int:
        print(arguments, sys.argv[1:], dict(os.environ), os.getpgid(0) == os.getpid())
        print("error", file=sys.stderr)
        return 7

    node = start(main, "sim", "-p", "seed:=1", ROS_DOMAIN_ID="5")
    assert node.wait(PATIENCE_S) == node.poll() == 7
    assert sorted(node.stdout.read().decode().splitlines()) == sorted([
        "['sim', '-p', 'seed:=1'] ['sim', '-p', 'seed:=1'] {'ROS_DOMAIN_ID': '5'} True", "error"])


def test_a_forked_node_holds_no_file_of_the_supervisor(start):
    reading, writing = os.pipe()

    def main(_: list[str]) -> int:
        print(sorted(int(name) for name in os.listdir("/proc/self/fd")))
        return 0

    node = start(main)
    assert node.wait(PATIENCE_S) == 0
    assert node.stdout.read().decode().split() == ["[0,", "1,", "2,", "3]"]  # 3 is the listing itself
    os.close(reading)
    os.close(writing)


def test_a_forked_node_dies_of_a_signal_that_the_supervisor_catches(start):
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        node = start(lambda _: time.sleep(1000) or 0)
        assert node.poll() is None
        node.send_signal(signal.SIGTERM)
        assert node.wait(PATIENCE_S) == -signal.SIGTERM
        node.send_signal(signal.SIGTERM)  # to nobody
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(("error", "status"), [(SystemExit(2), 2), (SystemExit(), 0), (SystemExit("why"), 1),
                                               (RuntimeError("broken"), 1)])
def test_however_a_node_ends_the_supervisor_learns_its_status(start, error: BaseException, status: int):
    def main(_: list[str]) -> int:
        raise error

    node = start(main)
    assert node.wait(PATIENCE_S) == status
    assert ("RuntimeError: broken" in node.stdout.read().decode()) == isinstance(error, RuntimeError)


def test_waiting_for_a_node_that_runs_on_is_given_up_in_time(start):
    node = start(lambda _: time.sleep(1000) or 0)
    with pytest.raises(subprocess.TimeoutExpired):
        node.wait(0.01)
