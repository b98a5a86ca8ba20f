# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros bench soak: let a graph with a driver run for hours, and measure what grows.

The graph drives a stand-in for a real robot in real time (`mat_ros.bench.arena`). Every half minute the benchmark notes
the resident memory, the descriptors and the threads of each process. It resumes a stopped robot as an operator would,
and reports the cause of each stop.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mat_ros.bench.arena import PATIENCE_S, WHOLE, Arena
from mat_ros.bench.damage import gap, outside, step
from mat_ros.core import shipped
from mat_ros.core.errors import Missing
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.tick.chain import MODES
from mat_ros.core.tick.wiring import WIRINGS
from mat_ros.graph.settings import LaunchSettings

WARM_S = 60.0  # before the first sample: lazily made parts are there afterwards
SAMPLE_S = 30.0


@dataclass(frozen=True)
class Sample:
    """Hold what a process uses."""

    pid: int
    rss_kb: int
    descriptors: int
    threads: int


def sample(pid: int) -> Sample:
    """Return what a process uses now."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines())
    return Sample(pid, int(fields["VmRSS"].split()[0]), len(os.listdir(f"/proc/{pid}/fd")), int(fields["Threads"]))


def growth(samples: list[Sample]) -> dict[str, Any]:
    """Return the first, the last and the largest figure of the samples of one node."""
    found: dict[str, Any] = {"samples": len(samples), "processes": len({one.pid for one in samples})}
    for name in ("rss_kb", "descriptors", "threads"):
        values = [getattr(one, name) for one in samples]
        found[name] = {"first": values[0], "last": values[-1], "most": max(values)}
    return found


def parser() -> argparse.ArgumentParser:
    """Declare the arguments of `mat-ros bench soak`."""
    parser = argparse.ArgumentParser(prog="mat-ros bench soak", description="Let a graph that drives a robot run for "
                                     "hours, and measure its memory, descriptors, threads and commands.")
    parser.add_argument("--policy", required=True, help="bundle, by name or folder")
    parser.add_argument("--mode", default="optimistic", choices=MODES)
    parser.add_argument("--wiring", default="per_agent", choices=WIRINGS, help="how slots are laid over processes")
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--realtime", type=int, default=0, help="SCHED_RR priority of the graph; 0: none")
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    return parser


def main(arguments: list[str]) -> int:
    """Run `mat-ros bench soak`; the status is 1 if a node had more than one process."""
    given = parser().parse_args(arguments)
    bundle = Bundle.load(shipped.policy_folder(given.policy).resolve())
    settings = LaunchSettings(sim="none", hardware="mat_ros.bench.logged_robot:LoggedRobot", mode=given.mode,
                              wiring=given.wiring, realtime=given.realtime)
    with tempfile.TemporaryDirectory(prefix="mat_ros_soak_") as folder, Arena(bundle, settings, Path(folder)) as arena:
        if not arena.until(lambda: arena.may_move() and len(arena.whole_ns) >= WHOLE, PATIENCE_S):
            raise Missing(f"a graph that runs: {arena.said[-1:]}", "launch it alone and look at its log")
        found = {"policy": bundle.manifest.name, "mode": given.mode, "wiring": given.wiring,
                 "realtime": given.realtime, **soak(arena, given.hours * 3600.0)}
    print(json.dumps(found) if given.json else json.dumps(found, indent=1))
    return int(any(node["processes"] > 1 for node in found["nodes"].values()))


def soak(arena: Arena, seconds: float) -> dict[str, Any]:
    """Let the graph run, and return what its processes have used and what has reached the robot."""
    samples: dict[str, list[Sample]] = defaultdict(list)
    stops: list[dict[str, Any]] = []
    begun_ns = time.monotonic_ns()
    end_s, sample_s = time.monotonic() + seconds, time.monotonic() + min(WARM_S, seconds / 2)
    while (now_s := time.monotonic()) < end_s and arena.supervisor.status is None:
        stopped = not arena.may_move()
        if stopped and (not stops or stops[-1]["ended"]):
            stops.append({"after_s": round((time.monotonic_ns() - begun_ns) * 1e-9, 1), "cause": arena.cause,
                          "load": round(os.getloadavg()[0], 2), "ended": False})
            print(stops[-1], file=sys.stderr, flush=True)
        elif not stopped and stops:
            stops[-1]["ended"] = True
        if now_s >= sample_s:
            sample_s += SAMPLE_S
            for name in arena.supervisor.running:
                samples[name].append(sample(arena.pid(name)))
            print(f"{end_s - now_s:.0f} s left, {len(stops)} stops", file=sys.stderr, flush=True)
        arena.until(lambda: False, min(0.2, end_s - now_s))
    seen = arena.log.between(begun_ns, time.monotonic_ns())
    return {"seconds": round((time.monotonic_ns() - begun_ns) * 1e-9, 1), "commands": len(seen.times_ns),
            "gap_periods": round(gap(seen, arena.period_ns), 2),
            "step": round(step(seen, arena.joints, arena.period_ns), 3), "outside": outside(seen, arena.joints),
            "stops": stops, "nodes": {name: growth(some) for name, some in samples.items()}}
