# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Kill, stop and continue the processes of nodes. A guard process continues stopped nodes when this process dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from mat_ros.graph.forked import NAME_LENGTH

# Continues every process on its input once the input ends. The input also ends when this process is killed.
GUARD = """
import os, signal, sys
for pid in [int(line) for line in sys.stdin]:
    try:
        os.kill(pid, signal.SIGCONT)
    except OSError:
        pass
"""


@dataclass
class NodeProcesses:
    """Send signals to the processes of nodes. A process gets a signal only if its name confirms the node."""

    pids: dict[str, int] = field(default_factory=dict)
    _guard: subprocess.Popen[bytes] | None = None

    def ours(self, node: str) -> bool:
        """Return whether the process id that a node reports belongs to this node on this host, and not to this process.

        The command line of a started node contains the node's name. The process name of a forked node is the node's
        name. A path proves nothing: every program that runs from a clone of this project has the project's name there.
        """
        pid = self.pids.get(node, 0)
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            name = Path(f"/proc/{pid}/comm").read_bytes().rstrip(b"\n")
        except OSError:
            return False
        is_node = f"__node:={node}".encode() in arguments or name == node.encode()[:NAME_LENGTH]
        return pid not in (0, 1, os.getpid(), os.getppid()) and is_node

    def kill(self, node: str) -> bool:
        """End a node by SIGKILL, and return whether the signal was sent."""
        return self._send(node, signal.SIGKILL)

    def stop(self, node: str) -> bool:
        """Stop a node until `wake` or until this process ends; return whether the signal was sent."""
        if not self.ours(node):
            return False
        if self._guard is None:
            self._guard = subprocess.Popen([sys.executable, "-c", GUARD], stdin=subprocess.PIPE, start_new_session=True)
        assert self._guard.stdin is not None
        self._guard.stdin.write(f"{self.pids[node]}\n".encode())
        self._guard.stdin.flush()
        return self._send(node, signal.SIGSTOP)

    def wake(self, node: str) -> bool:
        """Continue a stopped node; return whether the signal was sent."""
        return self._send(node, signal.SIGCONT)

    def close(self) -> None:
        """Continue every stopped node, and end the guard process."""
        if self._guard is not None:
            self._guard.communicate()
            self._guard = None

    def _send(self, node: str, number: signal.Signals) -> bool:
        if not self.ours(node):
            return False
        os.kill(self.pids[node], number)
        return True
