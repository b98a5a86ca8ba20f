# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros bench recovery: strike each process of a graph with a driver, and measure what reaches the robot.

The graph drives a stand-in for a real robot in real time (`mat_ros.bench.arena`). A blow kills, stops, slows or
restarts one process at a random moment. Afterwards the benchmark waits until the own node of every joint decides
again. Where the driver has latched a stop, the benchmark resumes the robot as an operator would.

The log of the robot gives the longest time between two commands, and the largest step of a command. A step to the
place where a joint stands moves nothing and does not count. After a stop, the time counts up to the resumption: an
operator moves the robot only from rest.

The file of `--out` has a line for each blow. A benchmark that finds rows in its file goes on with the blows that are
missing. A file beside it, with the ending `.log`, has what the processes have written.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from mat_ros.bench.arena import PATIENCE_S, WHOLE, Arena
from mat_ros.bench.damage import Row, gap, outside, step, summary, table
from mat_ros.core import shipped
from mat_ros.core.errors import Missing, Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.tick.chain import MODES
from mat_ros.core.tick.wiring import WIRINGS
from mat_ros.graph.build import BARE
from mat_ros.graph.settings import LaunchSettings

STRUCK_S = 1.0  # time for which a process is stopped or slowed
BLOWS = ("kill", "stop", "slow", "restart")


def strike(arena: Arena, name: str, blow: str) -> Row:
    """Strike a process, wait until the graph is whole again, and return what the blow has done."""
    arena.until(lambda: False, random.random() * 0.5)
    arena.until(lambda: arena.may_move() and arena.pid(name) > 0 and len(arena.whole_ns) >= WHOLE, PATIENCE_S)
    struck, began_ns, arena.cause = arena.pid(name), time.monotonic_ns(), ""
    if not struck:  # for the kernel, process 0 is the whole group of this program
        raise Missing(f"a process of {name}: {arena.said[-1:]}", "launch the graph alone and look at its log")
    arena.note("benchmark", f"{blow} {name}")
    if blow in ("kill", "restart"):
        os.kill(struck, signal.SIGKILL if blow == "kill" else signal.SIGINT)
    else:
        _hold_up(arena, struck, arena.period_ns * 1e-9 if blow == "slow" else STRUCK_S)
    struck_ns, written = time.monotonic_ns(), arena.written
    again = blow in ("kill", "restart")

    def whole() -> bool:
        pid, reported_ns = arena.reports.get(name, (0, 0))
        known = name in BARE or (pid == arena.pid(name) and reported_ns > struck_ns)
        return (arena.may_move() and known and arena.pid(name) not in ((0, struck) if again else (0,))
                and arena.written - written >= WHOLE
                and len([time_ns for time_ns in arena.whole_ns if time_ns > struck_ns]) >= WHOLE)

    recovered = arena.until(whole, PATIENCE_S)
    times_ns = arena.log.times_ns
    end_ns = max(next((time_ns for time_ns in arena.whole_ns if time_ns > struck_ns), struck_ns),
                 float(times_ns[np.searchsorted(times_ns, struck_ns):][:1].max(initial=0.0)),
                 arena.reports.get(name, (0, 0))[1] if again else 0)
    # An operator moves a stopped robot: from then on, commands begin anew where the robot stands.
    resumed_ns = next((time_ns for time_ns in arena.resumed_ns if time_ns > began_ns), 0)
    seen = arena.log.between(began_ns, resumed_ns or time.monotonic_ns())
    return Row(name, blow, gap(seen, arena.period_ns), step(seen, arena.joints, arena.period_ns),
               outside(seen, arena.joints), resumed_ns > 0,
               (end_ns - began_ns) * 1e-9 if recovered else float("inf"), int(again and _runs(struck)),
               round(os.getloadavg()[0], 2), arena.cause)


def _hold_up(arena: Arena, pid: int, stop_s: float) -> None:
    """Stop a process for `stop_s` and let it run for as long, in turn, for STRUCK_S."""
    end = time.monotonic() + STRUCK_S
    with contextlib.suppress(ProcessLookupError):  # the supervisor may end the process meanwhile, as one that hangs
        while time.monotonic() < end:
            os.kill(pid, signal.SIGSTOP)
            try:
                arena.until(lambda: False, stop_s)
            finally:
                os.kill(pid, signal.SIGCONT)
            arena.until(lambda: False, min(stop_s, end - time.monotonic()))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def parser() -> argparse.ArgumentParser:
    """Declare the arguments of `mat-ros bench recovery`."""
    parser = argparse.ArgumentParser(prog="mat-ros bench recovery", description="Kill, stop, slow and restart each "
                                     "process of a graph that drives a robot, and measure what the robot gets.")
    parser.add_argument("--policy", required=True, help="bundle, by name or folder")
    parser.add_argument("--mode", default="optimistic", choices=MODES)
    parser.add_argument("--wiring", default="per_agent", choices=WIRINGS, help="how slots are laid over processes")
    parser.add_argument("--count", type=int, default=100, help="blows of each kind at each process")
    parser.add_argument("--processes", nargs="+", default=[], help="names of the struck processes; none: all")
    parser.add_argument("--blows", nargs="+", default=BLOWS, choices=BLOWS, help="kinds of blows")
    parser.add_argument("--realtime", type=int, default=0, help="SCHED_RR priority of the graph; 0: none")
    parser.add_argument("--out", type=Path, help="file for the raw rows, JSON lines; rows that it has count as done")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    return parser


def main(arguments: list[str]) -> int:
    """Run `mat-ros bench recovery`; the status is 1 if a graph did not become whole again."""
    given = parser().parse_args(arguments)
    bundle = Bundle.load(shipped.policy_folder(given.policy).resolve())
    settings = LaunchSettings(sim="none", hardware="mat_ros.bench.logged_robot:LoggedRobot", mode=given.mode,
                              wiring=given.wiring, realtime=given.realtime)
    setup = {"policy": bundle.manifest.name, "mode": given.mode, "wiring": given.wiring, "realtime": given.realtime}
    rows = _read(given.out, setup) if given.out is not None else []
    random.seed(given.seed + len(rows))
    with tempfile.TemporaryDirectory(prefix="mat_ros_recovery_") as folder, _appending(given.out) as file, \
            _appending(given.out and given.out.with_suffix(".log")) as log:
        arena = Arena(bundle, settings, Path(folder), log)
        known = list(arena.supervisor.processes)
        if unknown := sorted(set(given.processes) - set(known)):
            raise Refused("--processes", f"some of {known}", unknown, "correct them")
        done = Counter((row.process, row.blow) for row in rows)
        plan = [(name, blow) for k in range(given.count) for blow in given.blows
                for name in random.sample(known, len(known))
                if name in (given.processes or known) and done[name, blow] <= k]
        left = 0
        if plan:
            with arena:
                group = _strike_all(arena, plan, lambda row: _write(file, setup, row, rows))
            left = _members(group)
    found = summary(rows)
    print(table(found), f"{left} processes were left behind at the end.", sep="\n\n")
    return int(left > 0 or any(not np.isfinite(row.recovery_s) for row in rows))


def _strike_all(arena: Arena, plan: Sequence[tuple[str, str]], note: Callable[[Row], None]) -> int:
    """Strike in the order of the plan, note each row, and return the process group of the graph."""
    if not arena.until(lambda: arena.may_move() and len(arena.whole_ns) >= WHOLE, PATIENCE_S):
        raise Missing(f"a graph that runs: {arena.said[-1:]}", "launch it alone and look at its log")
    group = os.getpgid(arena.pid(next(iter(arena.supervisor.processes))))  # one for all processes of the graph
    with contextlib.suppress(KeyboardInterrupt):  # the rows so far are summed up
        for k, (name, blow) in enumerate(plan):
            row = strike(arena, name, blow)
            note(row)
            print(f"{k + 1} of {len(plan)}: {name}, {blow}: gap {row.gap_periods:.2f} periods, "
                  f"{'stopped, ' if row.stopped else ''}whole after {row.recovery_s:.1f} s", file=sys.stderr,
                  flush=True)
            if not np.isfinite(row.recovery_s):
                print(*arena.said, sep="\n", file=sys.stderr)
                break
    return group


def _read(path: Path, setup: Mapping[str, Any]) -> list[Row]:
    """Return the rows of an earlier run with the same setup."""
    if not path.exists():
        return []
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        if (got := {name: row.pop(name, None) for name in setup}) != setup:
            raise Refused(f"--out {path}", f"rows of {dict(setup)}", got, "name another file")
    return [Row(**row) for row in rows]


def _appending(path: Path | None) -> contextlib.AbstractContextManager[TextIO | None]:
    """Open the file to which lines are appended, if there is one."""
    if path is None:
        return contextlib.nullcontext()
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a", encoding="utf-8")


def _write(file: TextIO | None, setup: Mapping[str, Any], row: Row, rows: list[Row]) -> None:
    """Add a row to the rows and to the file."""
    rows.append(row)
    if file is not None:
        print(json.dumps({**setup, **asdict(row)}), file=file, flush=True)


def _members(group: int) -> int:
    """Return the number of processes of a process group."""
    count = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            count += int(file.read_text(encoding="utf-8").rpartition(")")[2].split()[2]) == group
        except OSError:  # it ended meanwhile
            continue
    return count
