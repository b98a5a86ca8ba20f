# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Read from the kernel what each thread of the graph's processes has used, and state it per tick."""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

LEAST_US = 1.0  # a thread that uses less per tick is left out
PORT = re.compile(r"[.:]\d+$")


@dataclass(frozen=True)
class Usage:
    """Hold what the threads of one name in one process have used since their start."""

    run_ns: int = 0  # time on a core
    kernel: int = 0  # clock ticks of the kernel in system calls; a clock tick is some milliseconds long
    user: int = 0  # clock ticks outside the kernel
    waits: int = 0  # how often a thread gave up its core to wait
    preempted: int = 0  # how often a thread lost its core to another thread

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.run_ns + other.run_ns, self.kernel + other.kernel, self.user + other.user,
                     self.waits + other.waits, self.preempted + other.preempted)

    def __sub__(self, other: Usage) -> Usage:
        return Usage(self.run_ns - other.run_ns, self.kernel - other.kernel, self.user - other.user,
                     self.waits - other.waits, self.preempted - other.preempted)


@dataclass(frozen=True)
class ThreadCost:
    """Describe what the threads of one name use per tick in the processes of one role."""

    role: str
    thread: str
    processes: int
    us: float  # time on a core, in the median process
    worst_us: float  # in the busiest process
    kernel_share: float  # share of that time in system calls of the kernel, over all processes
    waits: float  # over all processes, per process and tick
    preempted: float


def read_threads(pid: int) -> dict[str, Usage]:
    """Return what the threads of a process have used, by the name of the thread."""
    used: defaultdict[str, Usage] = defaultdict(Usage)
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended meanwhile
            # A thread of Fast DDS has its port in its name, and the first thread has the name of the node.
            name = "main" if task.name == str(pid) else PORT.sub("", (task / "comm").read_text().strip())
            fields = (task / "stat").read_text().rpartition(")")[2].split()
            lines = (task / "status").read_text().splitlines()
            switches = {line.split(":")[0]: int(line.split(":")[1]) for line in lines if "ctxt_switches" in line}
            used[name] += Usage(int((task / "schedstat").read_text().split()[0]), int(fields[12]), int(fields[11]),
                                switches["voluntary_ctxt_switches"], switches["nonvoluntary_ctxt_switches"])
    return dict(used)


def run_ns(threads: Mapping[str, Usage]) -> int:
    """Return the time that all threads of a process had on a core."""
    return sum(usage.run_ns for usage in threads.values())


def thread_costs(roles: Sequence[str], before: Sequence[Mapping[str, Usage]], after: Sequence[Mapping[str, Usage]],
             ticks: float) -> list[ThreadCost]:
    """Return what each kind of thread uses per tick, the largest part of the machine's time first."""
    found: defaultdict[tuple[str, str], list[Usage]] = defaultdict(list)
    for role, then, now in zip(roles, before, after, strict=True):
        for name, usage in now.items():
            found[role, name].append(usage - then.get(name, Usage()))
    costs = []
    for (role, name), usages in found.items():
        us, total = np.array([u.run_ns for u in usages]) / ticks * 1e-3, sum(usages, Usage())
        if us.max() < LEAST_US:
            continue
        each = ticks * len(usages)
        costs.append(ThreadCost(role, name, len(usages), _rounded(np.median(us)), _rounded(us.max()),
                          round(total.kernel / max(total.kernel + total.user, 1), 2), round(total.waits / each, 2),
                          round(total.preempted / each, 2)))
    return sorted(costs, key=lambda cost: -cost.us * cost.processes)


def to_rows(costs: Sequence[ThreadCost]) -> list[dict[str, float | str]]:
    """Return the costs as they stand in JSON."""
    return [asdict(cost) for cost in costs]


def _rounded(us: float) -> float:
    return round(float(us), 1)
