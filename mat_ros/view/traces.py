# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Draw commands and measurements of joints over time. The size of a drawing does not grow with the length of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.tick.safety import Reason
from mat_ros.view.axes import WIDTH, Frame, Scale, drawing, element, text, tip
from mat_ros.view.page import Block

Float = NDArray[np.float64]
COLUMNS = 320  # places along the time axis; a curve has at most two points at each
HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 150.0, 56.0, 18.0, 30.0, 26.0
CURVES = {"requested": "var(--series-1)", "applied": "var(--series-0)", "measured": "var(--series-2)"}
GROUPS = {  # colour of the shade behind the ticks in which the gate had a reason; the first that fits
    "stopped": (Reason.STOPPED | Reason.MOTION, "var(--bad)"),
    "on the way to the fallback": (Reason.FALLBACK, "var(--series-3)"),
    "no request": (Reason.MISSING | Reason.NOT_FINITE, "var(--series-5)"),
    "limited": (Reason.POSITION | Reason.RATE | Reason.EFFORT, "var(--warn)"),
    "taken over": (Reason.BLEND | Reason.SETTLED, "var(--quiet)"),
}


@dataclass(frozen=True)
class JointCourse:
    """Hold the course of one joint."""

    name: str
    unit: str
    time_s: Float  # (tick,)
    requested: Float  # (tick,), NaN without a request
    applied: Float  # (tick,)
    measured: Float  # (tick,), NaN where the joint is not measured
    reasons: NDArray[np.uint16]  # (tick,)


def draw(course: JointCourse) -> Block:
    """Return the curves of one joint, before the shades of the gate's reasons."""
    x = Scale(float(course.time_s[0]), float(max(course.time_s[-1], course.time_s[0] + 1e-9)), LEFT, WIDTH - RIGHT)
    curves = {name: getattr(course, name) for name in CURVES if np.isfinite(getattr(course, name)).any()}
    y = Scale.over([edge for values in curves.values() for edge in (np.nanmin(values), np.nanmax(values))],
                   HEIGHT - BOTTOM, TOP)
    shades = []
    for words, start, stop in spans(course.reasons):
        left, right = x(float(course.time_s[start])), x(float(course.time_s[min(stop, len(course.time_s) - 1)]))
        shades.append((left, max(left + 1.0, right), words, GROUPS[words][1]))
    rects = [element("rect", tip(f"{course.name}: {words}"), x=left, y=TOP, width=right - left,
                     height=HEIGHT - BOTTOM - TOP, style=f"fill:{colour};fill-opacity:.18")
             for left, right, words, colour in _joined(shades)]
    paths = [element("path", tip(name), d=_path(course.time_s, values, x, y), class_="curve trace",
                     style=f"stroke:{CURVES[name]}") for name, values in curves.items()]
    return drawing(HEIGHT, f"requested, applied and measured {course.name}", *rects,
                   Frame(x, y).draw("", "", y_ticks=4), text(LEFT, TOP - 12, f"{course.name}, {course.unit}", "strong"),
                   *paths)


def colours(reasons: NDArray[np.uint16]) -> dict[str, str]:
    """Return the colour of each curve, and of each shade that the reasons (tick, joint) need."""
    return CURVES | {name: f"color-mix(in srgb, {colour} 40%, transparent)" for name, (mask, colour) in GROUPS.items()
                     if (reasons & int(mask)).any()}


def spans(reasons: NDArray[np.uint16]) -> list[tuple[str, int, int]]:
    """Return group, first tick and tick behind the last of each stretch in which the gate had a reason."""
    group = np.full(len(reasons), -1)
    for number, (mask, _) in reversed(list(enumerate(GROUPS.values()))):
        group[(reasons & int(mask)) != 0] = number
    edges = [0, *(np.flatnonzero(np.diff(group)) + 1), len(group)]
    names = list(GROUPS)
    return [(names[group[a]], int(a), int(b)) for a, b in pairwise(edges)
            if len(group) and group[a] >= 0]


def _joined(shades: Sequence[tuple[float, float, str, str]]) -> list[tuple[float, float, str, str]]:
    """Return the shades, with those of one group joined that lie less than a column apart."""
    found: list[tuple[float, float, str, str]] = []
    for shade in shades:
        if found and found[-1][2] == shade[2] and shade[0] - found[-1][1] < (WIDTH - LEFT - RIGHT) / COLUMNS:
            shade = (found.pop()[0], *shade[1:])
        found.append(shade)
    return found


def _path(time_s: Float, values: Float, x: Scale, y: Scale) -> str:
    """Return a path through the least and the greatest value of each column, with a gap where values are missing."""
    column = np.minimum((time_s - x.low) / (x.high - x.low) * COLUMNS, COLUMNS - 1).astype(int)
    written, down = [], False
    for part in np.split(np.arange(len(values)), np.flatnonzero(np.diff(column)) + 1):
        there = part[np.isfinite(values[part])]
        if there.size:
            ends = sorted({int(there[np.argmin(values[there])]), int(there[np.argmax(values[there])])})
            written += [f"{'L' if down or k else 'M'}{x(float(time_s[i])):.1f} {y(float(values[i])):.1f}"
                        for k, i in enumerate(ends)]
        down = there.size == part.size
    return "".join(written)
