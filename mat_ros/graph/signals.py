# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Kill, stop and wake the processes of nodes, and see to it that nothing stays stopped when we die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from mat_ros.graph.forked import NAME_LENGTH

# Continues every process that is named on its input, once the input ends: so does a stopped graph when we are killed.
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
    """Which process is which node, and signals to them. Only a process that says it is that node gets any."""

    pids: dict[str, int] = field(default_factory=dict)
    _guard: subprocess.Popen[bytes] | None = None

    def ours(self, node: str) -> bool:
        """Return whether the process that a node claims to be is this node, on this host, and not ourselves.

        A node that was started has its name on the command line, one that was forked is named after it. A path tells
        nothing: everything that runs from a clone of this project has its name there.
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
        """End a node without a word; say whether it was ours to end."""
        return self._send(node, signal.SIGKILL)

    def stop(self, node: str) -> bool:
        """Stop a node, until `wake` or our own end."""
        if not self.ours(node):
            return False
        if self._guard is None:
            self._guard = subprocess.Popen([sys.executable, "-c", GUARD], stdin=subprocess.PIPE, start_new_session=True)
        assert self._guard.stdin is not None
        self._guard.stdin.write(f"{self.pids[node]}\n".encode())
        self._guard.stdin.flush()
        return self._send(node, signal.SIGSTOP)

    def wake(self, node: str) -> bool:
        """Let a stopped node go on."""
        return self._send(node, signal.SIGCONT)

    def close(self) -> None:
        """Let every stopped node go on, and end the process that would have done so after us."""
        if self._guard is not None:
            self._guard.communicate()
            self._guard = None

    def _send(self, node: str, number: signal.Signals) -> bool:
        if not self.ours(node):
            return False
        os.kill(self.pids[node], number)
        return True
