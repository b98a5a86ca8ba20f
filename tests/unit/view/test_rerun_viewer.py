# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Rerun is reachable from this machine alone, and a machine without a display gets a file in place of a window."""

import sys
from pathlib import Path

import pytest

from mat_ros.core.errors import Missing
from mat_ros.view import rerun_viewer
from mat_ros.view.rerun_viewer import open_viewer, rerun_file, viewer_command

VIEWER = """
import socket, sys, time
address, port = sys.argv[sys.argv.index("--bind") + 1], int(sys.argv[sys.argv.index("--port") + 1])
with socket.create_server((address, port)) as door:
    print(*door.getsockname(), file=open(sys.argv[1], "w"), flush=True)
    door.settimeout(20)
    door.accept()
"""


def test_the_viewer_listens_on_the_loopback_alone(tmp_path, monkeypatch):
    asked = viewer_command(1)
    assert asked[asked.index("--bind") + 1] == "127.0.0.1"
    said = tmp_path / "said"
    monkeypatch.setattr(rerun_viewer, "viewer_command", lambda port: [
        sys.executable, "-c", VIEWER, str(said), *viewer_command(port)[3:]])
    address = open_viewer()
    host, port = said.read_text().split()
    assert host == "127.0.0.1" and address == f"rerun+http://127.0.0.1:{port}/proxy"


def test_a_viewer_that_ends_at_once_is_one_sentence_with_the_way_out(monkeypatch):
    monkeypatch.setattr(rerun_viewer, "viewer_command", lambda port: [sys.executable, "-c", "raise SystemExit(1)"])
    with pytest.raises(Missing, match="a window of Rerun is missing; .*rrd:=run.rrd"):
        open_viewer()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a screen")
def test_where_there_is_no_display_the_view_goes_into_a_file(tmp_path):
    assert rerun_file("", tmp_path, {}) == tmp_path / "mat_ros.rrd"
    assert rerun_file("", tmp_path, {"DISPLAY": ":0"}) is None
    assert rerun_file("run.rrd", tmp_path, {"DISPLAY": ":0"}) == Path("run.rrd")
