# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Processes that find each other through a server run on without it, and a new server introduces new processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("rclpy", reason="needs the ros extra")
pytest.importorskip("mat_ros.msg", reason="needs compiled messages")

from mat_ros.graph import discovery
from support.places import ROOT, TESTS

pytestmark = pytest.mark.ros
if discovery.program() is None:
    pytest.skip("needs the discovery server of Fast DDS", allow_module_level=True)

PATIENCE_S = 240.0


def test_a_graph_runs_without_its_server_and_takes_a_node_back_through_a_new_one():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(TESTS), str(ROOT)))}
    done = subprocess.run([sys.executable, "-m", "support.discovery_story"], env=environment, capture_output=True,
                          text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr[-3000:]


DEMO = """
import sys
from mat_ros.cli import demo
from mat_ros.graph import build

build.LARGE = 1  # processes, so that twelve fingers get a server as 52 joints do
sys.exit(demo.main(["--no-fault", "--out", sys.argv[1]]))
"""


def test_the_demonstration_joins_a_graph_that_has_a_server(tmp_path):
    pytest.importorskip("mujoco", reason="needs the sim extra")
    done = subprocess.run([sys.executable, "-c", DEMO, str(tmp_path)], capture_output=True, text=True,
                          timeout=PATIENCE_S, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "discovery server" in done.stdout + done.stderr
