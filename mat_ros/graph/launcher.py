# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Supervise the processes of a graph: start, prefix their output, respawn, and leave none behind.

All nodes join one process group, led by a small *warden* that holds the reading end of a pipe. When the supervisor
ends, however it ends, the pipe closes, and the warden ends the group: with SIGTERM first, so that the hardware is left
in its fallback, and with SIGKILL for nodes that hang. The group is not the terminal's, so that Ctrl-C reaches
each node once, through the supervisor, and not twice.

One thread and no polling: the loop sleeps until a node writes or ends, a respawn is due, or a signal comes.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import FrameType

from mat_ros.core.options import Value
from mat_ros.graph import forked
from mat_ros.graph.build import Graph, NodeSpec
from mat_ros.graph.claim import claim
from mat_ros.graph.forked import ForkedNode

REFUSED = 2  # exit status of a node that cannot run as it is set up: starting it again would not help
GRACE_S = (4.0, 2.0)  # from the first signal to SIGTERM, and from there to SIGKILL
ORPHAN_GRACE_S = 3  # from the sudden end of the supervisor to SIGKILL
BACK_OFF_S = (0.25, 8.0)  # before the first respawn, and at most; doubled each time
STEADY_S = 10.0  # a node that ran so long begins its back-off anew
NODE_COMMAND = 3  # words of a node's command before its arguments: python -m mat_ros.nodes
LOOK_S = 0.5  # longest sleep: bounds what a missed wake-up can cost
ESCALATION = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)

# The ignored signals are inherited by `cat` and `sleep`, so that only SIGKILL, the last word, ends them. A finished
# supervisor writes a line first: then the group is empty and there is nobody to end.
WARDEN = 'trap "" INT TERM HUP; if read -r done; then exit 0; fi; kill -TERM 0; sleep "$1"; kill -KILL 0'

Sink = Callable[[str, str], None]  # takes the node's name and a line that it wrote


@dataclass
class Process:
    """One node and its present process."""

    spec: NodeSpec
    popen: subprocess.Popen[bytes] | ForkedNode | None = None
    started_s: float = 0.0
    due_s: float | None = 0.0  # when it is to be started; None: not
    back_off_s: float = 0.0  # before the next respawn
    starts: int = 0
    status: int | None = None  # how it ended last; negative: by this signal
    respawn: bool = True  # cleared to keep a node down
    rest: bytes = b""  # the unfinished line

    @property
    def running(self) -> bool:
        """Say whether it has a process."""
        return self.popen is not None


@dataclass
class Supervisor:
    """Run the processes of a graph. Use it in a `with` block: leaving it ends them all."""

    graph: Graph
    sink: Sink
    environment: Mapping[str, str] = field(default_factory=dict)  # on top of this process's and the graph's
    command: Callable[[NodeSpec, Graph], list[str]] = lambda spec, graph: node_command(spec, graph)
    fork: bool = False  # start nodes from what is already imported, where that is possible
    status: int | None = None  # of the graph, once it is to end

    def __post_init__(self) -> None:
        """Prepare; nothing runs before the `with` block."""
        self.processes = {spec.name: Process(spec, respawn=spec.respawn) for spec in self.graph.nodes}
        self._selector = selectors.DefaultSelector()
        self._asked = -1  # how far the escalation has gone
        self._next_word_s = 0.0

    # -- start and end -------------------------------------------------------------------------------------------

    def __enter__(self) -> Supervisor:
        """Claim the nodes' names, then start the warden and every node; a graph that runs already is refused."""
        self._claims = claim(self.graph, self._variables)
        self.fork = self.fork and forked.preload()
        awaited, self._lease = os.pipe()
        # The warden holds the claims as well: where the supervisor is killed, they last as long as its nodes.
        self._warden = subprocess.Popen(["/bin/sh", "-c", WARDEN, "warden", str(ORPHAN_GRACE_S)], stdin=awaited,
                                        pass_fds=[socket.fileno() for socket in self._claims],
                                        preexec_fn=lambda: _begin(0))
        os.close(awaited)
        with contextlib.suppress(OSError):
            os.setpgid(self._warden.pid, self._warden.pid)  # on both sides: nobody may join before the group exists
        self._start_due()
        return self

    def __exit__(self, *_: object) -> None:
        """End every node and the warden."""
        self.end(self.status if self.status is not None else 0)
        while self.running:
            self.pump(LOOK_S)
        with contextlib.suppress(BrokenPipeError):  # it was killed with nodes that hung
            os.write(self._lease, b"done\n")
        os.close(self._lease)
        self._warden.wait()
        self._selector.close()
        for socket in self._claims:
            socket.close()

    @property
    def running(self) -> list[str]:
        """Name the nodes that have a process."""
        return [name for name, process in self.processes.items() if process.running]

    def end(self, status: int, word: signal.Signals = signal.SIGINT) -> None:
        """Ask every node to end; asked again, ask more firmly."""
        if self.status is None:
            self.status = status
        self._asked = max(self._asked + 1, ESCALATION.index(word) if word in ESCALATION else 0)
        self._asked = min(self._asked, len(ESCALATION) - 1)
        self._next_word_s = time.monotonic() + GRACE_S[min(self._asked, len(GRACE_S) - 1)]
        for process in reversed(self.processes.values()):  # who watches first, or it would report the others' ends
            process.due_s = None
            if process.popen is not None:
                process.popen.send_signal(ESCALATION[self._asked])
        if self._word == signal.SIGKILL:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._warden.pid, signal.SIGKILL)  # what the nodes have started, and the warden

    def kill(self, name: str, *, respawn: bool = True) -> int:
        """Kill a node's process without a word; give its process id."""
        process = self.processes[name]
        if process.popen is None:
            raise ProcessLookupError(f"{name}: expected a running process, got none; wait until it runs")
        process.respawn = process.respawn and respawn
        process.popen.kill()
        return process.popen.pid

    # -- the loop ------------------------------------------------------------------------------------------------

    def pump(self, timeout_s: float) -> None:
        """Wait until something happens, at most so long, and deal with it."""
        now = time.monotonic()
        due = [process.due_s for process in self.processes.values() if process.due_s is not None]
        if self.status is not None and self.running:
            due.append(self._next_word_s)
        wait_s = min([timeout_s, LOOK_S, *(max(0.0, moment - now) for moment in due)])
        for key, _ in self._selector.select(wait_s):
            if isinstance(key.data, Process):
                self._read(key.data)
            else:
                key.data()
        for process in self.processes.values():
            if process.popen is not None and process.popen.poll() is not None:
                self._ended(process)
        if self._warden.poll() is not None and self.status is None:
            self.sink("launcher", "the warden of the process group has ended; ending the graph")
            self.end(1)
        if self.status is not None and self.running and time.monotonic() >= self._next_word_s:
            self.sink("launcher", f"still running: {', '.join(self.running)}; asking more firmly")
            self.status = self.status or 1
            self.end(self.status)
        if self.status is None:
            self._start_due()

    def watch(self, file: int, react: Callable[[], None]) -> None:
        """Call `react` from `pump` whenever a file can be read."""
        self._selector.register(file, selectors.EVENT_READ, react)

    def unwatch(self, file: int) -> None:
        """Forget a file."""
        self._selector.unregister(file)

    # -- one node ------------------------------------------------------------------------------------------------

    def _start_due(self) -> None:
        for process in self.processes.values():
            if process.due_s is not None and process.due_s <= time.monotonic():
                self._start(process)

    def _start(self, process: Process) -> None:
        group = self._warden.pid
        command = self.command(process.spec, self.graph)
        if self.fork and forked.may_fork():
            process.popen = ForkedNode(process.spec.name, command[NODE_COMMAND:], self._variables, group)
        else:
            process.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                             stderr=subprocess.STDOUT, env=self._variables,
                                             preexec_fn=lambda: _begin(group))
        assert process.popen.stdout is not None
        os.set_blocking(process.popen.stdout.fileno(), False)
        self._selector.register(process.popen.stdout, selectors.EVENT_READ, process)
        process.started_s, process.due_s, process.rest = time.monotonic(), None, b""
        process.starts += 1

    def _read(self, process: Process) -> bool:
        """Pass on what a node has written; say whether there may be more."""
        assert process.popen is not None and process.popen.stdout is not None
        data = process.popen.stdout.read(1 << 16)
        if data is None:
            return False
        if not data:  # closed: the process has ended or is about to
            with contextlib.suppress(KeyError):
                self._selector.unregister(process.popen.stdout)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.popen.wait(LOOK_S)
            return False
        *lines, process.rest = (process.rest + data).split(b"\n")
        for line in lines:
            self.sink(process.spec.name, line.decode("utf-8", "replace").rstrip("\r"))
        return True

    def _ended(self, process: Process) -> None:
        """Decide what the end of a process means for the graph."""
        assert process.popen is not None and process.popen.stdout is not None
        while self._read(process):
            pass
        with contextlib.suppress(KeyError):
            self._selector.unregister(process.popen.stdout)
        process.popen.stdout.close()
        if process.rest:
            self.sink(process.spec.name, process.rest.decode("utf-8", "replace"))
        status = process.popen.poll()
        assert status is not None
        process.status, process.popen = status, None
        name, how = process.spec.name, describe(status)
        if self.status is not None:
            if status not in (0, -self._word):
                self.sink("launcher", f"{name} {how}")
            return
        if status == REFUSED or process.spec.essential:
            self.sink("launcher", f"{name} {how}; the graph ends with it")
            self.end(shell_status(status))
        elif process.respawn:
            steady = time.monotonic() - process.started_s > STEADY_S
            doubled = 0.0 if steady else 2 * process.back_off_s
            process.back_off_s = min(max(doubled, BACK_OFF_S[0]), BACK_OFF_S[1])
            self.sink("launcher", f"{name} {how}; starting it again in {process.back_off_s:g} s")
            process.due_s = time.monotonic() + process.back_off_s
        else:
            self.sink("launcher", f"{name} {how}")

    @property
    def _variables(self) -> dict[str, str]:
        return {**os.environ, **self.graph.environment, "PYTHONUNBUFFERED": "1", **self.environment}

    @property
    def _word(self) -> int:
        return ESCALATION[max(0, self._asked)]


def run(graph: Graph, sink: Sink, environment: Mapping[str, str] | None = None) -> int:
    """Run a graph until it ends or a signal comes, and give the exit status. Signals reach the nodes once each."""
    with Supervisor(graph, sink, environment or {}, fork=True) as supervisor, forwarded_signals(supervisor):
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
            os.write(alarm, b"!")  # wakes the loop, which may be asleep

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


def node_command(spec: NodeSpec, graph: Graph) -> list[str]:
    """Give the command of a node: its name, namespace and parameters as ROS reads them."""
    arguments = [sys.executable, "-m", "mat_ros.nodes", spec.executable, "--ros-args", "-r", f"__node:={spec.name}"]
    if graph.namespace:
        arguments += ["-r", f"__ns:=/{graph.namespace.strip('/')}"]
    for name, value in spec.parameters.items():
        arguments += ["-p", f"{name}:={yaml_value(value)}"]
    return arguments


def yaml_value(value: Value) -> str:
    """Write a parameter so that ROS reads the same type back: a text stays one even where it looks like a number."""
    written = json.dumps(value, ensure_ascii=False)
    return written.replace("e", ".0e") if isinstance(value, float) and "." not in written else written


def describe(status: int) -> str:
    """Say how a process ended."""
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return "has ended" if status == 0 else f"has ended with status {status}"


def shell_status(status: int) -> int:
    """Give the exit status that a shell would report."""
    return 128 - status if status < 0 else status


def _begin(group: int) -> None:
    """Join a process group, and hear SIGINT even where whoever started us in the background ignores it."""
    os.setpgid(0, group)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
