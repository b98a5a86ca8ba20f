# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Graphs of real processes whose tick runs in C++ decide the bits of graphs whose tick runs in Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs the ros extra")
pytest.importorskip("mat_ros.msg", reason="needs compiled messages")

from mat_ros.core.record.diff import diff
from mat_ros.core.record.recording import Recording
from mat_ros.nodes import loop
from mat_ros.nodes.realtime import GATE_AHEAD
from support import graph_run
from support.graph_run import GraphRun, Listener
from support.places import BUNDLES

pytestmark = pytest.mark.ros
if reason := loop.lacking():
    pytest.skip(reason, allow_module_level=True)

ARM = BUNDLES / "rwkv4"
TICKS = 60
PRIORITY = 5


@pytest.fixture
def listener():
    listener = Listener()
    yield listener
    listener.close()


def nodes_of(listener, tick: str) -> set[str]:
    """Name the nodes whose report begins its choice of the tick with a word."""
    return {name for name, report in listener.reports.items() if report.get("tick_choice", "").startswith(tick)}


def record(file: Path, tick: str, settings: dict[str, Any]) -> Recording:
    """Record a graph of which every deciding node runs its tick in one way."""
    listener = Listener()
    try:
        with GraphRun(ARM, seed=5, tick=tick, record=str(file), **settings) as run:
            assert listener.until(lambda: len(listener.applied) > TICKS)
            assert listener.until(lambda: listener.status is not None and listener.status.compared > TICKS)
            assert listener.status.differing == 0
            deciding = {f"/{n}" for n in run.names if n.startswith(("chain", "encoder", "safety"))}
            assert listener.until(lambda: nodes_of(listener, tick) == deciding)  # a node reports once a second
            assert set(run.stop().values()) == {0}
    finally:
        listener.close()
    return Recording.load(file, required=())


@pytest.mark.parametrize("settings", [
    {"mode": "optimistic"}, {"mode": "strict"}, {"mode": "bounded", "budget_ms": 20.0},
], ids=lambda settings: settings["mode"])
def test_a_tick_in_cpp_and_one_in_python_leave_recordings_without_a_difference(monkeypatch, tmp_path, settings):
    monkeypatch.setattr(graph_run, "SOLO", ("injector", "detector"))
    report = diff(*(record(tmp_path / f"{tick}.mcap", tick, settings) for tick in ("native", "python")))
    assert report.compared > TICKS
    if report.differing:  # the end of a graph may cut its last tick off
        last = report.ticks - report.unmatched - 1
        assert (report.differing, report.first["tick"]) == (1, last)


def test_two_hands_open_the_door_with_the_same_bits_in_cpp_and_in_python(tmp_path):
    pytest.importorskip("mujoco", reason="needs the sim extra")
    files = []
    for tick in ("native", "python"):  # `native` is refused where a node would run its tick in Python
        files.append(tmp_path / f"{tick}.mcap")
        subprocess.run([sys.executable, "-m", "mat_ros.cli", "launch", "dexhands", f"tick:={tick}", "episodes:=1",
                        f"record:={files[-1]}"], check=True, capture_output=True, timeout=240)
    report = diff(*(Recording.load(file, required=()) for file in files))
    assert (report.compared, report.differing, report.unmatched) == (250, 0, 0)


def test_a_killed_node_is_redecided_in_cpp_and_exact_again_once_restarted(listener):
    with GraphRun(ARM, tick="native") as run:
        assert listener.until(lambda: len(listener.applied) > 20)
        run.processes["chain_elbow"].kill()
        run.processes["chain_elbow"].wait()
        seen = len(listener.applied)
        assert listener.until(lambda: len(listener.applied) > seen + 20 and listener.applied[-1].validity[2] == 1)
        run.start("chain_elbow")
        assert listener.until(lambda: listener.applied[-1].validity[2] == 0)
        assert listener.until(lambda: listener.status is not None and listener.status.compared > seen)
        assert listener.status.missed == 0 and listener.status.differing == 0


def test_a_killed_gate_goes_on_with_the_next_tick_once_restarted(listener):
    with GraphRun(ARM, tick="native") as run:
        assert listener.until(lambda: len(listener.applied) > 20)
        run.processes["safety"].kill()
        run.processes["safety"].wait()
        seen = len(listener.applied)
        run.start("safety")
        assert listener.until(lambda: len(listener.applied) > seen + TICKS and not any(listener.applied[-1].validity))
        assert listener.until(lambda: listener.reports["/safety"].get("tick_choice") == "native")
        assert set(run.stop().values()) == {0}


def test_nodes_of_one_graph_may_differ_in_what_runs_their_tick(listener):
    with GraphRun(ARM, {"chain_elbow": {"tick": "python"}}, mode="strict", tick="native"):
        assert listener.until(lambda: len(listener.applied) > TICKS)
        assert listener.until(lambda: nodes_of(listener, "python") == {"/chain_elbow"})
        assert listener.until(lambda: listener.status is not None and listener.status.compared > TICKS)
        assert listener.status.differing == 0


@pytest.mark.parametrize("mode", ["optimistic", "bounded"])  # in the listener, and in a thread of the loop
def test_every_thread_that_may_run_a_tick_gets_the_priority_of_the_node(listener, mode):
    realtime = {"realtime": PRIORITY}
    roles = ("chain_node", "encoder", "safety")
    with GraphRun(ARM, dict.fromkeys(roles, realtime), mode=mode, tick="native") as run:
        assert listener.until(lambda: len(listener.applied) > TICKS)
        for name in ("encoder", "chain_wrist", "safety"):
            threads = list(Path(f"/proc/{run.processes[name].pid}/task").iterdir())
            names = {thread.joinpath("comm").read_text().strip() for thread in threads}
            assert ("tick" in names) == (mode == "bounded" and name == "chain_wrist")
            found = {os.sched_getscheduler(int(thread.name)) for thread in threads}
            if found == {os.SCHED_OTHER}:
                pytest.skip("the system does not permit SCHED_RR")
            assert found == {os.SCHED_RR}
            priority = PRIORITY + (GATE_AHEAD if name == "safety" else 0)
            assert {os.sched_getparam(int(thread.name)).sched_priority for thread in threads} == {priority}
