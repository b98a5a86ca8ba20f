# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Open the window of Rerun, reachable from this machine only, or choose a file where there is no display.

Rerun's own call opens the window on all interfaces of the machine, so that any host could write into it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mat_ros.core.errors import Missing

LOOPBACK = "127.0.0.1"
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")  # variables of a session with a screen
FILE = "mat_ros.rrd"  # file of a view without a display
OPENING_S = 60.0  # longest wait for the window
LOOK_S = 0.1


def rerun_file(wanted: str, folder: Path = Path(), environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file into which a view is written; None: a window shows it."""
    if wanted:
        return Path(wanted)
    screen = sys.platform != "linux" or any(environment.get(name) for name in DISPLAYS)
    return None if screen else folder / FILE


def viewer_command(port: int) -> list[str]:
    """Return the command of a viewer that listens on the loopback."""
    return [sys.executable, "-m", "rerun_cli", "--bind", LOOPBACK, "--port", str(port)]


def open_viewer(more: Sequence[str] = ()) -> str:
    """Open a viewer that outlives this process, and return its address for the SDK."""
    port = _free_port()
    viewer = subprocess.Popen([*viewer_command(port), *more], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, start_new_session=True)
    give_up = time.monotonic() + OPENING_S
    while not _answers(port):
        if viewer.poll() is not None or time.monotonic() > give_up:
            raise Missing("a window of Rerun", "start it on a machine with a display and OpenGL or Vulkan, or write a "
                          "file with rrd:=run.rrd and open it there")
        time.sleep(LOOK_S)
    return f"rerun+http://{LOOPBACK}:{port}/proxy"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((LOOPBACK, 0))
        return int(found.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex((LOOPBACK, port)) == 0
