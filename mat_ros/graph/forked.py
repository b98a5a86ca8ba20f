# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Start nodes by forking a process that has already imported the modules that nodes need.

Imports take most of a node's start time, and imported modules take most of its memory. A fork has these modules at once
and shares their memory. A process may fork only before DDS runs, because the threads of DDS do not survive a fork. So
the supervisor forks while it has one thread, and starts a fresh interpreter otherwise: the same node, a moment later.
The caller passes the function that a fork runs, because this package may not import `mat_ros.nodes`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import IO, NoReturn

NodeMain = Callable[[list[str]], int]  # runs a node with its arguments and returns its exit status
PROGRAM = "python -m mat_ros.nodes"  # first argument of a forked node's command line
TRACING, TRACING_THREADS = "/liblttng-ust", 2  # rclpy may load this library: its threads sleep until a tracer runs
INHERITED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # signals whose handlers belong to the supervisor alone
NAME_LENGTH = 15  # bytes of a process name that Linux keeps
PR_SET_NAME = 15


def keep_numpy_single_threaded() -> None:
    """Keep numpy from making threads, which would forbid a fork. Call this function before numpy is imported."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def may_fork() -> bool:
    """Return whether no other thread can hold a lock of Python or of a library."""
    others = [_state(thread) for thread in os.listdir("/proc/self/task") if int(thread) != os.getpid()]
    if not others:
        return True
    # While the threads of the tracing library sleep, they hold no lock. A child never needs these threads.
    return len(others) == TRACING_THREADS and set(others) == {"S"} and TRACING in _read("/proc/self/maps")


def _state(thread: str) -> str:
    return _read(f"/proc/self/task/{thread}/stat").rpartition(")")[2].split()[0]


def _read(file: str) -> str:
    with open(file, encoding="utf-8", errors="replace") as opened:
        return opened.read()


class ForkedNode:
    """Run a forked node, with the methods of a `subprocess.Popen`."""

    def __init__(self, main: NodeMain, name: str, arguments: Sequence[str], environment: Mapping[str, str],
                 group: int) -> None:
        """Fork a child, which joins the process group and calls `main` with the arguments."""
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.args = [PROGRAM, *arguments]
        self.returncode: int | None = None
        # Signals stay blocked until the child has replaced the supervisor's handlers: a signal would be lost before.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, INHERITED)
        self.pid = os.fork()
        if self.pid == 0:
            _be_node(main, name, arguments, environment, group, writing, mask)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(writing)
        self.stdout: IO[bytes] = os.fdopen(reading, "rb", 0)

    def poll(self) -> int | None:
        """Return the exit status once the process has ended."""
        return self._wait(os.WNOHANG)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end of the process and return the exit status."""
        give_up = None if timeout is None else time.monotonic() + timeout
        while (status := self._wait(0 if give_up is None else os.WNOHANG)) is None:
            if give_up is not None and time.monotonic() > give_up:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            time.sleep(0.002)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the process by SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _wait(self, options: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


def _be_node(main: NodeMain, name: str, arguments: Sequence[str], environment: Mapping[str, str], group: int,
             output: int, mask: set[int | signal.Signals]) -> NoReturn:
    """Turn the child into the node; this function never returns into the supervisor's code."""
    status = 1
    try:
        os.setpgid(0, group)
        for number in INHERITED:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # one of these files is the pipe that the warden waits on
        sys.stdout, sys.stderr = (open(file, "w", buffering=1, closefd=False) for file in (1, 2))  # noqa: SIM115
        os.environ.clear()
        os.environ.update(environment)
        ctypes.CDLL(None).prctl(PR_SET_NAME, name[:NAME_LENGTH].encode(), 0, 0, 0)
        sys.argv = [PROGRAM, *arguments]
        status = main(list(arguments))
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
