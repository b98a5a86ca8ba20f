# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Supervise the processes of a graph: start them, prefix their output, start them again, and end all of them.

One thread runs, and it does not poll: the loop sleeps until a node writes or ends, a respawn is due, or a signal comes.
To this module a node is a command line. The caller, which may import the nodes, passes the function that a fork runs.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import FrameType

from mat_ros.core.errors import INCOMPLETE, REFUSED
from mat_ros.graph.build import Graph, NodeSpec
from mat_ros.graph.claim import claim
from mat_ros.graph.command import ending, node_arguments, node_command, shell_status
from mat_ros.graph.discovery import ADDRESSES, TOOL
from mat_ros.graph.forked import ForkedNode, NodeMain, may_fork
from mat_ros.graph.process import Process, Sink
from mat_ros.graph.warden import Warden, join_group

GRACE_S = (4.0, 2.0)  # time from the first signal to SIGTERM, and from SIGTERM to SIGKILL
LOOK_S = 0.5  # longest sleep of the loop, and so the longest delay after a missed wake-up
ESCALATION = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)

Preload = Callable[[], NodeMain | None]  # imports what nodes need; returns what a fork runs, None: no fork


@dataclass
class Supervisor:
    """Run the processes of a graph. Use it in a `with` block, whose end ends all processes."""

    graph: Graph
    sink: Sink
    environment: Mapping[str, str] = field(default_factory=dict)  # overrides this process's and the graph's variables
    command: Callable[[NodeSpec, Graph], list[str]] = lambda spec, graph: node_command(spec, graph)
    preload: Preload = lambda: None  # by default, each node starts in a fresh interpreter
    status: int | None = None  # exit status of the graph; None: the graph is not to end yet

    def __post_init__(self) -> None:
        """Prepare the processes; none of them runs before the `with` block."""
        self.processes = {spec.name: Process(spec, self.sink, respawn=spec.respawn) for spec in self.graph.nodes}
        self._selector = selectors.DefaultSelector()
        self._asked = -1  # index in ESCALATION of the last signal; -1: none was sent
        self._next_word_s = 0.0

    # -- start and end -------------------------------------------------------------------------------------------

    def __enter__(self) -> Supervisor:
        """Claim the nodes' names, then start the warden and every node; refuse a graph that runs already."""
        self._claims = claim(self.graph, self._variables)
        if server := self.graph.environment.get(ADDRESSES):
            self.sink("launcher", "the nodes find each other through a discovery server; tools of ROS find them with "
                                  f"{ADDRESSES}={server} {TOOL}=TRUE in their environment")
        self._main = self.preload()
        self._warden = Warden(self._claims)
        self._start_due()
        return self

    def __exit__(self, *_: object) -> None:
        """End every node and the warden."""
        self.end(self.status if self.status is not None else 0)
        while self.running:
            self.pump(LOOK_S)
        self._warden.dismiss()
        self._selector.close()
        for socket in self._claims:
            socket.close()

    @property
    def running(self) -> list[str]:
        """Return the names of the nodes that have a process."""
        return [name for name, process in self.processes.items() if process.running]

    def end(self, status: int, word: signal.Signals = signal.SIGINT) -> None:
        """Signal every node to end; each further call sends a stronger signal."""
        if self.status is None:
            self.status = status
        self._asked = max(self._asked + 1, ESCALATION.index(word) if word in ESCALATION else 0)
        self._asked = min(self._asked, len(ESCALATION) - 1)
        self._next_word_s = time.monotonic() + GRACE_S[min(self._asked, len(GRACE_S) - 1)]
        # From the last node to the first: the supervisor node ends before the nodes whose end it would report.
        for process in reversed(self.processes.values()):
            process.due_s = None
            if process.popen is not None:
                process.popen.send_signal(ESCALATION[self._asked])
        if self._word == signal.SIGKILL:
            self._warden.kill_group()

    def kill(self, name: str, *, respawn: bool = True) -> int:
        """End a node's process by SIGKILL and return its process id."""
        process = self.processes[name]
        if process.popen is None:
            raise ProcessLookupError(f"{name}: expected a running process, got none; wait until it runs")
        process.respawn = process.respawn and respawn
        process.popen.kill()
        return process.popen.pid

    # -- the loop ------------------------------------------------------------------------------------------------

    def pump(self, timeout_s: float) -> None:
        """Wait for output, an end, a respawn or a signal for at most `timeout_s`, and handle each of these events."""
        now = time.monotonic()
        due = [process.due_s for process in self.processes.values() if process.due_s is not None]
        if self.status is not None and self.running:
            due.append(self._next_word_s)
        wait_s = min([timeout_s, LOOK_S, *(max(0.0, moment - now) for moment in due)])
        for key, _ in self._selector.select(wait_s):
            if isinstance(key.data, Process):
                key.data.read()
                if key.data.closed:
                    self.unwatch(key.fd)
            else:
                key.data()
        for process in self.processes.values():
            if process.popen is not None and process.popen.poll() is not None:
                self._ended(process)
        if self._warden.ended and self.status is None:
            self.sink("launcher", "the warden of the process group has ended; ending the graph")
            self.end(1)
        if self.status is not None and self.running and time.monotonic() >= self._next_word_s:
            self.sink("launcher", f"still running: {', '.join(self.running)}; sending a stronger signal")
            self.status = self.status or 1
            self.end(self.status)
        if self.status is None:
            self._start_due()

    def watch(self, file: int, react: Callable[[], None]) -> None:
        """Make `pump` call `react` whenever the file can be read."""
        self._selector.register(file, selectors.EVENT_READ, react)

    def unwatch(self, file: int) -> None:
        """Stop watching a file."""
        self._selector.unregister(file)

    # -- one node ------------------------------------------------------------------------------------------------

    def _start_due(self) -> None:
        for process in self.processes.values():
            if process.due_s is not None and process.due_s <= time.monotonic():
                process.begin(self._spawn(process.spec))
                self._selector.register(process.output, selectors.EVENT_READ, process)

    def _spawn(self, spec: NodeSpec) -> subprocess.Popen[bytes] | ForkedNode:
        """Start a node as a fork of this process where a fork is possible, else in a fresh interpreter."""
        group = self._warden.group
        if self._main is not None and may_fork():
            return ForkedNode(self._main, spec.name, node_arguments(spec, self.graph), self._variables, group)
        return subprocess.Popen(self.command(spec, self.graph), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, env=self._variables, preexec_fn=lambda: join_group(group))

    def _ended(self, process: Process) -> None:
        """Respond to the end of a process: end the graph, start the node again, or report the end alone."""
        with contextlib.suppress(KeyError):  # `pump` has unregistered a closed output before
            self._selector.unregister(process.output)
        status, name = process.end(), process.spec.name
        if self.status is not None:
            if status not in (0, -self._word):
                self.sink("launcher", f"{name} {ending(status)}")
            if status == INCOMPLETE:
                self.status = self.status or 1
        elif status == REFUSED or process.spec.essential:
            self.sink("launcher", f"{name} {ending(status)}; the graph ends with it")
            self.end(shell_status(status))
        elif process.respawn:
            self.sink("launcher", f"{name} {ending(status)}; starting it again in {process.start_again():g} s")
        else:
            self.sink("launcher", f"{name} {ending(status)}")

    @property
    def _variables(self) -> dict[str, str]:
        return {**os.environ, **self.graph.environment, "PYTHONUNBUFFERED": "1", **self.environment}

    @property
    def _word(self) -> int:
        return ESCALATION[max(0, self._asked)]


def run(graph: Graph, sink: Sink, preload: Preload = lambda: None) -> int:
    """Run a graph until it ends or a signal comes, and return its exit status. Each signal reaches every node once."""
    with Supervisor(graph, sink, preload=preload) as supervisor, forwarded_signals(supervisor):
        while supervisor.status is None or supervisor.running:
            supervisor.pump(LOOK_S)
    sink("launcher", "all nodes have ended")
    return supervisor.status or 0


@contextlib.contextmanager
def forwarded_signals(supervisor: Supervisor) -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGHUP of this process into an orderly end of the graph."""
    awake, alarm = os.pipe()
    os.set_blocking(alarm, False)
    pending: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        pending.append(number)
        with contextlib.suppress(BlockingIOError):
            os.write(alarm, b"!")  # wakes the loop, which may sleep in `select`

    def act() -> None:
        os.read(awake, 64)
        while pending:
            supervisor.end(0, signal.SIGINT if pending.pop(0) == signal.SIGINT else signal.SIGTERM)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    supervisor.watch(awake, act)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        supervisor.unwatch(awake)
        os.close(awake)
        os.close(alarm)
