# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""`mat-ros launch` with real nodes: the door opens, and nothing is left behind however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.ros, pytest.mark.sim]

PATIENCE_S = 120.0  # bounds a hang on a loaded machine; no test waits for it to pass
SMALL = ("wiring:=central", "check:=false")


def processes_of(marker: str) -> list[int]:
    """List the living processes that carry a variable in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if marker.encode() in environment and state != "Z":
            found.append(int(folder.name))
    return found


@pytest.fixture
def launch(request) -> Iterator[subprocess.Popen[str]]:
    """Launch a graph in a namespace of its own and wait until it ticks."""
    marker = f"MAT_ROS_TEST={os.getpid()}_{request.node.name}"
    key, _, value = marker.partition("=")
    command = [sys.executable, "-m", "mat_ros.cli", "launch", "dexhands", *SMALL]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, key: value})
    assert process.stdout is not None
    for line in process.stdout:
        if line.rstrip().endswith("RUNNING"):
            break
    process.marker = marker  # type: ignore[attr-defined]
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_graph_with_status_0_and_leaves_no_process(launch: subprocess.Popen[str], number: int):
    assert launch.poll() is None
    launch.send_signal(number)
    output, _ = launch.communicate(timeout=PATIENCE_S)
    assert launch.returncode == 0, output
    assert "Traceback" not in output
    assert processes_of(launch.marker) == []


def test_a_killed_launch_leaves_no_orphan(launch: subprocess.Popen[str]):
    assert len(processes_of(launch.marker)) > 4
    launch.kill()
    launch.wait()
    give_up = time.monotonic() + PATIENCE_S
    while processes_of(launch.marker):
        assert time.monotonic() < give_up, "orphans are left"
        time.sleep(0.1)


@pytest.mark.skipif(sys.platform != "linux", reason="nodes are forked on Linux only")
def test_nodes_are_forked_from_what_the_supervisor_has_imported(launch: subprocess.Popen[str]):
    names = {Path(f"/proc/{pid}/comm").read_text().strip() for pid in processes_of(launch.marker)}
    assert {"sim", "encoder", "chain", "safety", "supervisor"} <= names  # a fresh interpreter would be called python


def test_a_policy_of_another_robot_is_refused_before_anything_starts(tmp_path: Path):
    command = [sys.executable, "-m", "mat_ros.cli", "launch", "mamujoco", "policy:=dexhands_door_mat"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "launch dexhands with this policy" in done.stderr


def test_the_demo_opens_the_door_although_a_node_is_killed(tmp_path: Path):
    command = [sys.executable, "-m", "mat_ros.cli", "demo", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert {"reached", "success", "ticks", "missed", "compared", "differing", "p99_ms", "killed"} <= set(found)
    assert found["success"] is True and found["ticks"] == 500 and found["missed"] == 0
    assert found["compared"] > 400 and found["differing"] == 0 and found["killed"] == "chain_robot0_ff"
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "chain_robot0_ff killed" in page
    if "The report has no pictures: a way to draw off screen" in done.stdout:  # a machine without any OpenGL
        assert "No pictures: a way to draw off screen" in page
    else:
        assert "data:image/png;base64," in page
    assert "500 of 500 observations have the same bits again" in page
