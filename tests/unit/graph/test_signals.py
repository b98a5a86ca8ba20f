# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Signals reach the processes of nodes alone, and no node stays stopped when whoever stopped it dies."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mat_ros.graph.signals import NodeProcesses

PATIENCE_S = 20.0
SLEEP = "import time; print(flush=True); time.sleep(60)"


@pytest.fixture
def node():
    """A process that looks like that of the node `chain`."""
    process = subprocess.Popen([sys.executable, "-c", SLEEP, "-r", "__node:=chain"], stdout=subprocess.PIPE)
    process.stdout.readline()  # before it runs, it still looks like us
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def becomes(pid: int, states: str) -> bool:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if state(pid) in states:
            return True
        time.sleep(0.01)
    return False


def test_a_node_is_stopped_woken_and_killed(node):
    processes = NodeProcesses({"chain": node.pid})
    assert processes.stop("chain")
    assert becomes(node.pid, "T")
    assert processes.wake("chain")
    assert becomes(node.pid, "SR")
    assert processes.kill("chain")
    assert node.wait(PATIENCE_S) == -signal.SIGKILL
    assert not processes.wake("chain")
    processes.close()


def test_a_stopped_node_goes_on_when_its_injector_is_done(node):
    processes = NodeProcesses({"chain": node.pid})
    assert processes.stop("chain")
    assert becomes(node.pid, "T")
    processes.close()
    assert becomes(node.pid, "SR")


@pytest.mark.parametrize("arguments", [["/home/me/mat_ros/run"], ["mat_ros.nodes", "chain", "-r", "__node:=chain_2"]])
def test_a_process_of_another_program_or_node_gets_no_signal(arguments):
    stranger = subprocess.Popen([sys.executable, "-c", SLEEP, *arguments], stdout=subprocess.PIPE)
    try:
        stranger.stdout.readline()
        processes = NodeProcesses({"chain": stranger.pid, "init": 1})
        assert not any((processes.stop("chain"), processes.kill("chain"), processes.kill("init"), processes.kill("x")))
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
        stranger.stdout.close()


def test_a_forked_node_is_known_by_its_name_of_which_linux_keeps_15_letters():
    code = ("import time; from mat_ros.graph.forked import ForkedNode; "
            "node = ForkedNode(lambda words: time.sleep(60), 'chain_robot0_ff_distal', [], {}, 0); "
            "print(node.pid, flush=True); node.wait()")
    launcher = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pid = int(launcher.stdout.readline())
    processes = NodeProcesses({"chain_robot0_ff_distal": pid, "chain_robot1_ff_distal": pid})
    end = time.monotonic() + PATIENCE_S
    while not processes.ours("chain_robot0_ff_distal") and time.monotonic() < end:
        time.sleep(0.01)  # its name comes after the fork
    assert not processes.kill("chain_robot1_ff_distal")
    assert processes.kill("chain_robot0_ff_distal")
    launcher.wait(PATIENCE_S)
    launcher.stdout.close()


def test_a_stopped_node_goes_on_when_whoever_stopped_it_is_killed(node):
    code = ("import sys, time; from mat_ros.graph.signals import NodeProcesses; "
            f"NodeProcesses({{'chain': {node.pid}}}).stop('chain'); print('stopped', flush=True); time.sleep(60)")
    injector = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert injector.stdout.readline() == "stopped\n"
    assert becomes(node.pid, "T")
    injector.kill()
    injector.wait()
    injector.stdout.close()
    assert becomes(node.pid, "SR")
