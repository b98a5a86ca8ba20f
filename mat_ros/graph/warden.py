# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Keep the processes of a graph in one process group, which ends when its launcher ends, whatever ends the launcher.

The *warden* is a small shell that leads the group and holds the reading end of a pipe. When the launcher ends, the pipe
closes, and the warden ends the group: by SIGTERM first, so that the hardware is left in its fallback, then by SIGKILL.
The group is not the terminal's group, so that Ctrl-C reaches each node once, through the launcher.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable
from socket import socket

ORPHAN_GRACE_S = 3  # time from the sudden end of the launcher to SIGKILL

# `sleep` inherits the ignored signals, so that only the final SIGKILL ends it. A launcher that finishes in order writes
# a line before its pipe closes: the group is empty then, and the warden has no process to end.
SCRIPT = 'trap "" INT TERM HUP; if read -r done; then exit 0; fi; kill -TERM 0; sleep "$1"; kill -KILL 0'


class Warden:
    """Lead the process group of a graph."""

    def __init__(self, claims: Iterable[socket]) -> None:
        """Start the group. The warden holds the claims too, so that they last while nodes run without a launcher."""
        awaited, self._lease = os.pipe()
        self._shell = subprocess.Popen(["/bin/sh", "-c", SCRIPT, "warden", str(ORPHAN_GRACE_S)], stdin=awaited,
                                       pass_fds=[claim.fileno() for claim in claims],
                                       preexec_fn=lambda: join_group(0))
        os.close(awaited)
        with contextlib.suppress(OSError):
            os.setpgid(self.group, self.group)  # as the child does: the group has to exist before a node joins

    @property
    def group(self) -> int:
        """Return the number of the process group, which is the process id of the warden."""
        return self._shell.pid

    @property
    def ended(self) -> bool:
        """Return whether the warden has ended; no process would then end the group after the launcher."""
        return self._shell.poll() is not None

    def kill_group(self) -> None:
        """End the nodes, their child processes and the warden by SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.group, signal.SIGKILL)

    def dismiss(self) -> None:
        """End the warden once its group is empty."""
        with contextlib.suppress(BrokenPipeError):  # the warden was killed together with hanging nodes
            os.write(self._lease, b"done\n")
        os.close(self._lease)
        self._shell.wait()


def join_group(group: int) -> None:
    """Join a process group, and restore SIGINT, which a shell ignores for a command in the background."""
    os.setpgid(0, group)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
