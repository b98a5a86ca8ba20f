# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Measure from the log of a robot what a blow at a process has done, and sum up many blows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mat_ros.bench.logged_robot import CommandLog
from mat_ros.core.robot.joints import Joint

SPANS = (1, 2, 5, 10)  # commands over which a step is measured
AGREE = 0.02  # share of a joint's range; a command this near to the joint moves nothing


@dataclass(frozen=True)
class Row:
    """Hold what one blow has done."""

    process: str
    blow: str
    gap_periods: float  # longest time between two commands that reached the robot
    step: float  # largest step, as a share of the largest that the limits permit
    outside: int  # commands that were not finite or not inside the position limits
    stopped: bool  # a stop was latched
    recovery_s: float  # until the graph was whole again, with the resumption of a stop; infinity: not within PATIENCE_S
    left: int  # processes of the struck node that ran beside its new one
    load: float = 0.0  # load average of the machine afterwards
    cause: str = ""  # of the stop


def gap(seen: CommandLog, period_ns: int) -> float:
    """Return the longest time between two commands, in periods."""
    return float(np.diff(seen.times_ns).max(initial=0.0)) / period_ns


def step(seen: CommandLog, joints: Sequence[Joint], period_ns: int) -> float:
    """Return the largest step over any of SPANS, as a share of rate * (time of the span, and one period more)."""
    rates = np.array([joint.rate for joint in joints])
    near = AGREE * np.array([joint.upper - joint.lower for joint in joints])
    steps = np.abs(np.diff(seen.commands, axis=0))
    still = np.abs(seen.commands - seen.places)[1:] <= near
    jumps = (steps > rates * period_ns * 1e-9 * (1.0 + 1e-6)) & still  # to where the joint stands
    largest = float(np.where(jumps, 0.0, steps / (rates * period_ns * 1e-9)).max(initial=0.0))
    for span in SPANS[1:]:
        way = np.abs(seen.commands[span:] - seen.commands[:-span])
        allowed = rates * (seen.times_ns[span:] - seen.times_ns[:-span] + period_ns)[:, None] * 1e-9
        jumped = np.array([jumps[k:k + span].any(axis=0) for k in range(len(way))]).reshape(way.shape)
        largest = max(largest, float(np.where(jumped, 0.0, way / allowed).max(initial=0.0)))
    return largest


def outside(seen: CommandLog, joints: Sequence[Joint]) -> int:
    """Return the number of commands that were not finite or not inside the position limits."""
    lower, upper = (np.array([getattr(joint, side) for joint in joints]) for side in ("lower", "upper"))
    return int((~((seen.commands >= lower) & (seen.commands <= upper))).any(axis=1).sum())


def summary(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return one row per process and blow: the worst of each figure, the middle of the recovery, and sums."""
    found = []
    for process, blow in dict.fromkeys((row.process, row.blow) for row in rows):
        some = [row for row in rows if (row.process, row.blow) == (process, blow)]
        expected = process in ("driver", "safety")  # a stop is right where the gate or the driver itself is struck
        recoveries = [row.recovery_s for row in some]
        found.append({"process": process, "blow": blow, "count": len(some),
                      "gap_periods": max(row.gap_periods for row in some),
                      "gap_median": float(np.median([row.gap_periods for row in some])),
                      "step": max(row.step for row in some), "outside": sum(row.outside for row in some),
                      "stops": sum(row.stopped for row in some),
                      "false_stops": 0 if expected else sum(row.stopped for row in some),
                      "recovery_median_s": float(np.median(recoveries)), "recovery_worst_s": max(recoveries),
                      "left": sum(row.left for row in some)})
    return found


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the summary as a Markdown table."""
    lines = ["| process | blow | count | longest gap, periods (median) | largest step / limit | stops (false) "
             "| recovery, s: median (longest) | left behind |", "|---|---|---|---|---|---|---|---|"]
    lines += [f"| {f['process']} | {f['blow']} | {f['count']} | {f['gap_periods']:.1f} ({f['gap_median']:.1f}) "
              f"| {f['step']:.2f} | {f['stops']} ({f['false_stops']}) "
              f"| {f['recovery_median_s']:.1f} ({f['recovery_worst_s']:.1f}) | {f['left']} |" for f in found]
    return "\n".join(lines)
