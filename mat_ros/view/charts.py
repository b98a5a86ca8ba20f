# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Draw charts as SVG with the colours of the page: histogram, heat map, lines with bands, timeline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mat_ros.core.errors import Refused
from mat_ros.view.axes import CHARACTER, WIDTH, Frame, Scale, drawing, element, label, legend, text, tip
from mat_ros.view.page import Block, number

Float = NDArray[np.float64]
LEFT, RIGHT, TOP, BOTTOM = 56.0, 18.0, 34.0, 44.0  # margins of a chart with axes
WIDEST = 104.0  # largest width of a heat map's cell
SERIES = tuple(f"var(--series-{k})" for k in range(6))


@dataclass(frozen=True)
class Line:
    """Describe a curve and its optional band."""

    name: str
    x: ArrayLike
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    dashed: bool = False  # a dashed curve leaves the curve below visible


@dataclass(frozen=True)
class LaneSpan:
    """Describe a span on the lane of a timeline; `stop` equal to `start` is an instant."""

    lane: str
    start: float
    stop: float
    kind: str  # selects the colour
    note: str = ""  # appears when the pointer rests on the span


def histogram(values: ArrayLike, unit: str, *, marks: Mapping[str, float] | None = None, bins: int = 60,
              log: bool = False, height: float = 260.0, name: str = "ticks", cut: float = math.inf) -> Block:
    """Return a histogram; `marks` are named vertical lines, such as a deadline. `log` makes rare values visible.

    Values that are not finite or that are above `cut` are not in the bars. The corner shows their number.
    """
    found = np.asarray(values, dtype=np.float64).ravel()
    finite = found[np.isfinite(found) & (found <= cut)]
    marks = marks or {}
    if not finite.size:
        return drawing(height, "no values", text(WIDTH / 2, height / 2, "no values", "middle"))
    x = Scale.over([0.0 if finite.min() >= 0 else float(finite.min()), float(finite.max()), *marks.values()],
                   LEFT, WIDTH - RIGHT)
    counts, edges = np.histogram(finite, bins=bins, range=(x.low, x.high))
    y = Scale.over([1.0 if log else 0.0, float(counts.max())], height - BOTTOM, TOP, log=log)
    bars = [element("rect", tip(f"{label(a)} to {label(b)} {unit}: {number(int(count))} {name}"), x=x(a),
                    y=min(y.start - 2.0, y(float(count))), width=max(0.8, x(b) - x(a) - 0.8),
                    height=max(2.0, y.start - y(float(count))), class_="bar")
            for count, a, b in zip(counts, edges[:-1], edges[1:], strict=True) if count]
    lines = []
    for k, (words, value) in enumerate(sorted(marks.items(), key=lambda mark: mark[1])):
        place, row = x(value), TOP + 12 + 15 * (k % 3)
        onward = place + 6 + CHARACTER * (len(words) + 8) < WIDTH
        lines += [element("line", x1=place, x2=place, y1=TOP, y2=y.start, class_="mark"),
                  text(place + (5 if onward else -5), row, f"{words} {number(float(value))}",
                       "strong" if onward else "strong end")]
    beyond, lost = int((found[np.isfinite(found)] > cut).sum()), int((~np.isfinite(found)).sum())
    left_out = [words for count, words in ((beyond, f"{number(beyond)} above {number(cut)} {unit}"),
                                           (lost, f"{number(lost)} without a value")) if count]
    note = text(WIDTH - RIGHT, TOP - 10, ", ".join(left_out), "end") if left_out else ""
    return drawing(height, f"histogram of {found.size} values in {unit}", Frame(x, y).draw(unit, name, y_ticks=4),
                   *bars, *lines, note)


def heat_map(values: ArrayLike, rows: Sequence[str], columns: Sequence[str], *, low: float | None = None,
             high: float | None = None, unit: str = "", digits: int = 2) -> Block:
    """Return a table (row, column) coloured from `low` to `high`; a value that is not finite is an empty cell."""
    grid = np.asarray(values, dtype=np.float64)
    if grid.shape != (len(rows), len(columns)):
        raise Refused("heat map", f"{len(rows)} x {len(columns)} values", grid.shape,
                      "give one row and column per name")
    finite = grid[np.isfinite(grid)]
    bottom = float(finite.min()) if low is None and finite.size else low or 0.0
    top = float(finite.max()) if high is None and finite.size else high or 1.0
    left = min(220.0, 14.0 + CHARACTER * max(map(len, rows), default=1))
    tall, longest = 26.0, CHARACTER * max(map(len, columns), default=1)
    wide = min((WIDTH - left - 4.0) / max(1, len(columns)), max(WIDEST, longest + 8.0))
    if slanted := longest > wide - 6:
        wide = min(WIDEST, (WIDTH - left - 0.7 * longest) / len(columns))  # the last name needs space on the right
    head = 20.0 + (0.64 * longest if slanted else 0.0)
    parts = []
    for j, column in enumerate(columns):
        x = left + (j + 0.5) * wide
        turn = f"rotate(-40 {x:.1f} {head - 8:.1f})" if slanted else ""
        parts.append(text(x, head - 8, column, "" if slanted else "middle", transform=turn))
    for i, row in enumerate(rows):
        y = head + i * tall
        parts.append(text(left - 8, y + tall / 2 + 4, row, "end strong"))
        for j, column in enumerate(columns):
            value = grid[i, j]
            box: dict[str, Any] = {"x": left + j * wide, "y": y, "width": wide - 1.5, "height": tall - 1.5, "rx": 2}
            if not math.isfinite(value):
                parts.append(element("rect", tip(f"{row}, {column}: not measured"), class_="none", **box))
                continue
            share = min(1.0, max(0.0, (value - bottom) / (top - bottom))) if top > bottom else 1.0
            words = f"{value:.{digits}f}"
            parts += [element("rect", class_="ground", **box),
                      element("rect", tip(f"{row}, {column}: {words} {unit}".strip()), class_="cell",
                              fill_opacity=0.06 + 0.94 * share, **box)]
            if wide > CHARACTER * len(words):
                parts.append(text(left + (j + 0.5) * wide, y + tall / 2 + 4, words,
                                  f"middle {'cell-ink-deep' if share > 0.5 else 'cell-ink'}"))
    return drawing(head + tall * len(rows) + 4, f"heat map of {len(rows)} by {len(columns)} values", *parts)


def lines(curves: Sequence[Line], x_name: str, y_name: str, *, marks: Mapping[str, float] | None = None,
          log_y: bool = False, height: float = 280.0) -> Block:
    """Return curves with their bands; `marks` are named vertical lines."""
    arrays = [tuple(np.asarray(part, dtype=np.float64) if part is not None else None
                    for part in (c.x, c.y, c.low, c.high)) for c in curves]
    spread = [float(v) for _, *ys in arrays for part in ys if part is not None for v in part]
    x = Scale.over([float(v) for xs, *_ in arrays if xs is not None for v in xs], LEFT, WIDTH - RIGHT)
    y = Scale.over(spread, height - BOTTOM, TOP, log=log_y)
    bands, paths = [], []
    for k, (curve, (xs, ys, low, high)) in enumerate(zip(curves, arrays, strict=True)):
        assert xs is not None and ys is not None
        colour = SERIES[k % len(SERIES)]
        if low is not None and high is not None:
            around = [*zip(xs, high, strict=True), *zip(xs[::-1], low[::-1], strict=True)]
            bands.append(element("path", d=_path(around, x, y) + "Z", class_="band", style=f"fill:{colour}"))
        paths.append(element("path", tip(curve.name), d=_path(zip(xs, ys, strict=True), x, y), class_="curve",
                             stroke_dasharray="7 5" if curve.dashed else "", style=f"stroke:{colour}"))
    marked = [part for words, value in (marks or {}).items() for part in
              (element("line", x1=x(value), x2=x(value), y1=TOP, y2=y.start, class_="mark"),
               text(x(value) + 5, TOP + 12, words, "strong"))]
    names = legend([c.name for c in curves], SERIES[:len(curves)] if len(curves) <= len(SERIES) else
                   [SERIES[k % len(SERIES)] for k in range(len(curves))], WIDTH - RIGHT, TOP - 10)
    return drawing(height, f"{y_name} over {x_name}", Frame(x, y).draw(x_name, y_name), *bands, *paths, *marked,
                   names if len(curves) > 1 else "")


def _path(points: object, x: Scale, y: Scale) -> str:
    """Return a path through the points with a gap where a value is missing."""
    written, down = [], False
    for a, b in points:  # type: ignore[attr-defined]
        if math.isfinite(a) and math.isfinite(b):
            written.append(f"{'L' if down else 'M'}{x(float(a)):.1f} {y(float(b)):.1f}")
        down = math.isfinite(a) and math.isfinite(b)
    return "".join(written)


def timeline(spans: Sequence[LaneSpan], x_name: str, *, kinds: Mapping[str, str], lanes: Sequence[str] = (),
             marks: Mapping[str, float] | None = None, stop: float | None = None) -> Block:
    """Return spans over time in lanes; `kinds` maps each kind to its colour, as in ``{"own": "var(--good)"}``."""
    lanes = list(lanes) or list(dict.fromkeys(span.lane for span in spans))
    left = min(220.0, 14.0 + CHARACTER * max(map(len, lanes), default=1))
    tall, head = 20.0, 40.0
    bottom = head + tall * len(lanes)
    ends = [0.0, *(s.stop for s in spans), *(marks or {}).values()] if stop is None else [0.0, stop]
    x = Scale(min(ends), max(ends) or 1.0, left, WIDTH - RIGHT)
    parts = [legend(list(kinds), list(kinds.values()), WIDTH - RIGHT, 14.0)]
    row = {lane: head + k * tall for k, lane in enumerate(lanes)}
    for lane, y in row.items():
        parts += [text(left - 8, y + tall / 2 + 4, lane, "end strong"),
                  element("rect", x=left, y=y + 2, width=x.stop - left, height=tall - 4, class_="lane", rx=2)]
    for span in spans:
        words = f"{span.lane}: {span.kind}, {label(span.start)} to {label(span.stop)}. {span.note}".strip()
        parts.append(element("rect", tip(words), x=x(span.start), y=row[span.lane] + 2,
                             width=max(2.0, x(span.stop) - x(span.start)), height=tall - 4, class_="span",
                             style=f"fill:{kinds[span.kind]}"))
    for words, value in (marks or {}).items():
        near_end = x(value) + 6 + CHARACTER * len(words) > WIDTH
        parts += [element("line", x1=x(value), x2=x(value), y1=head - 8, y2=bottom, class_="mark"),
                  text(x(value), head - 12, words, "strong end" if near_end else "strong")]
    for value in x.ticks(8):
        parts.append(text(x(value), bottom + 18, label(value), "middle"))
    parts += [element("line", x1=left, x2=x.stop, y1=bottom, y2=bottom, class_="axis"),
              text(x.stop, bottom + 34, x_name, "end strong")]
    return drawing(bottom + 42, f"timeline of {len(lanes)} lanes over {x_name}", *parts)
