# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run a graph that drives a stand-in for a real robot (`mat_ros.bench.logged_robot`), with a witness of what it does.

Where the driver has latched a stop, the arena resumes the robot as an operator would. Where the gate asks for an
operator who moves a joint inside its limits by hand, the arena restarts the driver: the stand-in begins in its start
pose.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TextIO

from mat_ros.bench.logged_robot import LOG, CommandLog, read_log, row_bytes
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.robot.limits import ruling_joints
from mat_ros.core.tick.latch import STATE, StopLatch
from mat_ros.graph.deployment import plan_bundle
from mat_ros.graph.launcher import Supervisor
from mat_ros.graph.settings import LaunchSettings
from mat_ros.nodes.preload import preload

DOMAIN = "89"  # ROS domain that only these benchmarks use
PATIENCE_S = 90.0  # longest wait for a whole graph
WHOLE = 25  # commands in a row, each decided by the own node of every slot, that make a graph whole
HISTORY = 10_000  # ticks whose times are kept
RESUME_S = 0.5  # between two requests to resume
BY_HAND = "inside its limits by hand"  # end of the gate's request to an operator


class Arena:
    """A graph, its robot and its witness."""

    def __init__(self, bundle: Bundle, settings: LaunchSettings, folder: Path, log: TextIO | None = None) -> None:
        manifest = bundle.manifest
        self._file = log
        self.graph, self.joints = plan_bundle(settings, bundle).graph, ruling_joints(manifest.joints, None)
        self.period_ns, self._log, self._robot = manifest.period_ns, folder / "commands", manifest.robot
        self.latch = StopLatch(self._robot, folder / "state")
        self.whole_ns: list[int] = []  # times of the last commands in a row that every own node has decided
        self.reports: dict[str, tuple[int, int]] = {}  # by node: process and time of the last report as active
        self.resumed_ns: list[int] = []  # times of the resumptions
        self.cause = ""  # of the last stop
        self._far = False  # a joint stands too far outside its limits
        self.said: list[str] = []  # the last lines of the nodes
        variables = {"ROS_DOMAIN_ID": DOMAIN, "ROS_LOG_DIR": str(folder), STATE: str(folder / "state"),
                     LOG: str(self._log), "XDG_RUNTIME_DIR": str(folder)}
        self._environment = {**os.environ, **self.graph.environment, **variables}
        self.supervisor = Supervisor(self.graph, self.note, variables,
                                     preload=partial(preload, bundle, settings.backend))
        self._act_dim, self._rest = manifest.network.act_dim, b""

    def __enter__(self) -> Arena:
        """Start the graph, then the witness: a process with threads cannot fork nodes."""
        self.supervisor.__enter__()
        self._witness = subprocess.Popen([sys.executable, "-m", "mat_ros.bench.witness", str(self._act_dim)],
                                         env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._witness.stdout is not None
        os.set_blocking(self._witness.stdout.fileno(), False)
        self.supervisor.watch(self._witness.stdout.fileno(), self._take)
        return self

    def __exit__(self, *error: object) -> None:
        """End the graph and the witness."""
        assert self._witness.stdin is not None and self._witness.stdout is not None
        self.supervisor.unwatch(self._witness.stdout.fileno())
        self._witness.communicate()
        self.supervisor.__exit__(*error)

    def pid(self, name: str) -> int:
        """Return the process of a node; 0 while it has none."""
        popen = self.supervisor.processes[name].popen
        return popen.pid if popen is not None else 0

    @property
    def written(self) -> int:
        """Return the number of commands that have reached the robot."""
        return self._log.stat().st_size // row_bytes(len(self.joints)) if self._log.exists() else 0

    @property
    def log(self) -> CommandLog:
        """Return the commands that have reached the robot."""
        return read_log(self._log, len(self.joints))

    def until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Let the graph run until something is done; return whether it was done in time."""
        end = time.monotonic() + seconds
        while not (found := done()) and time.monotonic() < end and self.supervisor.status is None:
            self.supervisor.pump(min(0.05, max(0.0, end - time.monotonic())))
        return found

    def may_move(self) -> bool:
        """Return whether no stop is latched; resume a stopped robot, as an operator does with `mat-ros resume`."""
        self._move_inside()
        if (stop := self.latch.read()) is None:
            return True
        self.cause = stop.cause
        now_ns = time.monotonic_ns()
        if not self.resumed_ns or now_ns - self.resumed_ns[-1] > RESUME_S * 1e9:
            assert self._witness.stdin is not None
            self._witness.stdin.write(f"resume {self._robot}\n".encode())
            self._witness.stdin.flush()
            self.resumed_ns.append(now_ns)
        return False

    def _move_inside(self) -> None:
        """Put the robot into its start pose where a joint stands too far outside its limits."""
        if self._far and (driver := self.pid("driver")):
            self._far = False
            self.cause = BY_HAND
            self.note("benchmark", "an operator moves the robot into its start pose")
            os.kill(driver, signal.SIGKILL)

    def note(self, name: str, line: str) -> None:
        """Keep a line for the log."""
        self._far |= name == "safety" and line.endswith(BY_HAND)
        self.said = [*self.said[-19:], f"{name}: {line}"]
        if self._file is not None:
            print(f"{name}: {line}", file=self._file, flush=True)

    def _take(self) -> None:
        assert self._witness.stdout is not None
        *lines, self._rest = (self._rest + (self._witness.stdout.read() or b"")).split(b"\n")
        for kind, time_ns, *words in map(str.split, map(bytes.decode, lines)):
            if kind == "tick":
                self.whole_ns = [*self.whole_ns[-HISTORY:], int(time_ns)] if words == ["1", "0"] else []
            elif words[2] == "1":
                self.reports[words[0]] = int(words[1]), int(time_ns)
