# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Keep the processes of a graph in one process group, which ends when its launcher ends, however that happens.

The *warden* is a small shell that leads the group and holds the reading end of a pipe. When the launcher ends, the pipe
closes, and the warden ends the group: by SIGTERM first, so that the hardware is left in its fallback, then by SIGKILL.
The group is not the terminal's, so that Ctrl-C reaches each node once, through the launcher.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable
from socket import socket

ORPHAN_GRACE_S = 3  # from the sudden end of the launcher to SIGKILL

# The ignored signals are inherited by `cat` and `sleep`, so that only SIGKILL, the last word, ends them. A finished
# launcher writes a line first: then the group is empty and there is no process to end.
SCRIPT = 'trap "" INT TERM HUP; if read -r done; then exit 0; fi; kill -TERM 0; sleep "$1"; kill -KILL 0'


class Warden:
    """Lead the process group of a graph."""

    def __init__(self, claims: Iterable[socket]) -> None:
        """Start the group; the warden holds the claims too, so that they last as long as nodes without a launcher."""
        awaited, self._lease = os.pipe()
        self._shell = subprocess.Popen(["/bin/sh", "-c", SCRIPT, "warden", str(ORPHAN_GRACE_S)], stdin=awaited,
                                       pass_fds=[claim.fileno() for claim in claims],
                                       preexec_fn=lambda: join_group(0))
        os.close(awaited)
        with contextlib.suppress(OSError):
            os.setpgid(self.group, self.group)  # on both sides: no node may join before the group exists

    @property
    def group(self) -> int:
        """The number of the process group, which is that of the warden's process."""
        return self._shell.pid

    @property
    def ended(self) -> bool:
        """Return whether the warden is gone, and so nothing would end the group."""
        return self._shell.poll() is not None

    def kill_group(self) -> None:
        """End the nodes, what they have started, and the warden, without a word."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.group, signal.SIGKILL)

    def dismiss(self) -> None:
        """End the warden once its group is empty."""
        with contextlib.suppress(BrokenPipeError):  # it was killed with nodes that hung
            os.write(self._lease, b"done\n")
        os.close(self._lease)
        self._shell.wait()


def join_group(group: int) -> None:
    """Join a process group, and hear SIGINT even where a shell has started us in the background and ignores it."""
    os.setpgid(0, group)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
