# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Follow one node through its processes: read its output, note its exit status, and set the time of its respawn."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from mat_ros.graph.build import NodeSpec
from mat_ros.graph.forked import ForkedNode

BACK_OFF_S = (0.25, 8.0)  # wait before the first respawn, and longest wait; each respawn doubles the wait
STEADY_S = 10.0  # a node that ran longer than this begins its back-off anew
CLOSING_S = 0.5  # longest wait from the end of a process's output to the end of the process
READ_BYTES = 1 << 16

Sink = Callable[[str, str], None]  # takes the node's name and a line that it wrote


@dataclass
class Process:
    """Follow one node and its present process."""

    spec: NodeSpec
    sink: Sink
    popen: subprocess.Popen[bytes] | ForkedNode | None = None
    started_s: float = 0.0
    due_s: float | None = 0.0  # time at which the node is to be started; None: no start is due
    back_off_s: float = 0.0  # wait before the next respawn
    starts: int = 0
    status: int | None = None  # exit status of the last process; negative: the signal that ended it
    respawn: bool = True  # False: the node is not started again
    closed: bool = False  # the output of the process has ended
    rest: bytes = b""  # output after the last end of a line

    @property
    def running(self) -> bool:
        """Return whether the node has a process."""
        return self.popen is not None

    @property
    def output(self) -> IO[bytes]:
        """Return the output of the present process."""
        assert self.popen is not None and self.popen.stdout is not None
        return self.popen.stdout

    def begin(self, popen: subprocess.Popen[bytes] | ForkedNode) -> None:
        """Follow a process that has just been started."""
        self.popen, self.closed, self.rest = popen, False, b""
        self.started_s, self.due_s = time.monotonic(), None
        self.starts += 1
        os.set_blocking(self.output.fileno(), False)

    def read(self) -> bool:
        """Pass on the lines that the process has written, and return whether more lines may follow."""
        data = self.output.read(READ_BYTES)
        if data is None:
            return False
        if not data:  # the process has ended or is about to
            self.closed = True
            with contextlib.suppress(subprocess.TimeoutExpired):
                assert self.popen is not None
                self.popen.wait(CLOSING_S)
            return False
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.sink(self.spec.name, line.decode("utf-8", "replace").rstrip("\r"))
        return True

    def end(self) -> int:
        """Pass on the last output of a process that has ended, and return its exit status."""
        assert self.popen is not None
        while self.read():
            pass
        self.output.close()
        if self.rest:
            self.sink(self.spec.name, self.rest.decode("utf-8", "replace"))
        status = self.popen.poll()
        assert status is not None
        self.status, self.popen = status, None
        return status

    def start_again(self) -> float:
        """Set the time of the next respawn and return the wait in seconds; each respawn doubles the wait."""
        steady = time.monotonic() - self.started_s > STEADY_S
        doubled = 0.0 if steady else 2 * self.back_off_s
        self.back_off_s = min(max(doubled, BACK_OFF_S[0]), BACK_OFF_S[1])
        self.due_s = time.monotonic() + self.back_off_s
        return self.back_off_s
