# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Draw the parts that the report of every run has: latency, decisions, joints, and what the gate did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.tick.placement import joint_places
from mat_ros.core.tick.safety import Reason
from mat_ros.view import charts, traces
from mat_ros.view.page import Cell, Page, Toned, figure, folded, key, number, paragraph, table
from mat_ros.view.watch import GraphWatch, Tick

KINDS = {"own": "var(--series-0)", "redecided": "var(--series-1)", "held": "var(--series-3)", "zero": "var(--series-3)",
         "silent": "var(--quiet)", "fallback": "var(--warn)", "stopped": "var(--bad)"}
OPEN_JOINTS = 8  # joints whose curves are shown at once; the reader unfolds the others
GATE_ROWS = 60  # longest table of the gate's acts
SPANS = 3000  # largest number of spans in the drawing of decisions
SERIOUS = Reason.STOPPED | Reason.FALLBACK | Reason.MOTION | Reason.NOT_FINITE | Reason.MISSING
MEANING = {
    Reason.NOT_FINITE: "the request was not finite", Reason.MISSING: "no request came in time",
    Reason.POSITION: "the request was outside the position limits",
    Reason.RATE: "the request was further away than the rate allows",
    Reason.EFFORT: "the request would have exceeded the effort limit", Reason.FALLBACK: "moved to the fallback",
    Reason.STOPPED: "a stop was latched", Reason.BLEND: "blended in after activation",
    Reason.SETTLED: "found elsewhere, commanded to where it stood", Reason.MOTION: "moved other than commanded"}


def latency(page: Page, watch: GraphWatch, period_ms: float, remark: str) -> None:
    """Add the distribution of the latency, against the period and the deadline."""
    found = np.array([tick.latency_ms for tick in watch.ticks])
    p50, p99 = np.percentile(found, (50, 99))
    marks = {"p50": p50, "p99": p99, "period": period_ms}
    deadline = float(np.median([tick.deadline_ms for tick in watch.ticks]))
    if abs(deadline - period_ms) > 0.005 * period_ms and deadline < 10.0 * period_ms:
        marks["deadline"] = deadline
    section = page.section("Latency", "From the start of a tick until its command left the safety gate, through "
                           "observation, encoding, decisions and collection, each in its own process.")
    section.add(figure(charts.histogram(found, "ms", marks=marks, log=True, bins=80,
                                        cut=max(2.0 * period_ms, 1.2 * p99)), remark))


def decisions(page: Page, watch: GraphWatch, marks: Mapping[str, float]) -> None:
    """Add the node that decided each slot in each tick."""
    section = page.section("Decisions", "The node that decided for each agent: its own node, or another node with "
                           "the same weights and inputs and so the same bits.")
    spans = []
    for name, states in zip(watch.agents, zip(*(tick.states for tick in watch.ticks), strict=True), strict=True):
        at = 0
        for kind, group in groupby(states):
            length = len(list(group))
            spans.append(charts.LaneSpan(name, at, at + length, kind))
            at += length
    left_out = len(spans) - SPANS
    spans = sorted(spans, key=lambda span: span.start - span.stop)[:SPANS]  # the longest, where there are too many
    kinds = {kind: colour for kind, colour in KINDS.items() if any(span.kind == kind for span in spans)}
    section.add(figure(charts.timeline(spans, "tick", kinds=kinds, lanes=watch.agents, marks=marks),
                       f"The shortest {number(left_out)} stretches are not drawn." if left_out > 0 else ""))
    if watch.events:
        section.add(folded(f"{number(len(watch.events))} change{'s' if len(watch.events) != 1 else ''}", table(
            ["tick", "event"], [[event.tick, event.what] for event in watch.events[:GATE_ROWS]],
            _more(len(watch.events), "changes"))))


def joints(page: Page, manifest: Manifest, watch: GraphWatch) -> None:
    """Add the course of each joint; those in which the gate acted come first."""
    ticks = list(watch.ticks)
    time_s = np.array([tick.start_ns - ticks[0].start_ns for tick in ticks]) * 1e-9
    requested, applied, reasons = (np.array([getattr(tick.command, name) for tick in ticks])
                                   for name in ("requested", "applied", "reasons"))
    signals = np.array([tick.signals for tick in ticks])
    places = joint_places(manifest)
    order = np.argsort(-(reasons & ~np.uint16(Reason.BLEND)).astype(bool).sum(axis=0), kind="stable")
    drawn = [figure(traces.draw(traces.JointCourse(
        manifest.joints[k].name, manifest.joints[k].unit, time_s, requested[:, k], applied[:, k],
        signals[:, places[k]].astype(np.float64) if places[k] >= 0 else np.full(len(ticks), np.nan), reasons[:, k])))
        for k in order]
    section = page.section("Joints", "Requested, applied and measured, over the seconds after the first tick. A shade "
                           "marks the ticks in which the gate had a reason to act.")
    section.add(key(traces.colours(reasons)), *drawn[:OPEN_JOINTS])
    if len(drawn) > OPEN_JOINTS:
        section.add(folded(f"{len(drawn) - OPEN_JOINTS} more joints", *drawn[OPEN_JOINTS:]))


def gate(page: Page, manifest: Manifest, watch: GraphWatch) -> None:
    """Add what the gate did, by joints and span of time, and why."""
    section = page.section("Gate", "Where an applied command could differ from the requested one, and why.")
    ticks = list(watch.ticks)
    reasons: NDArray[np.uint16] = np.array([tick.command.reasons for tick in ticks])  # (tick, joint)
    if not reasons.any():
        section.add(paragraph("The gate had no reason to change a request.", "good"))
        return
    rows: list[list[Cell | Toned]] = []
    for reason, words in MEANING.items():
        acted = (reasons & reason) != 0
        if acted.any():
            first_s = (ticks[int(np.argmax(acted.any(axis=1)))].start_ns - ticks[0].start_ns) * 1e-9
            names = _names(manifest, np.flatnonzero(acted.any(axis=0)).tolist())
            rows.append([Toned(words, "bad" if reason & SERIOUS else "warn"), names, int(acted.any(axis=1).sum()),
                         f"{first_s:.2f}"])
    section.add(table(["reason", "joints", "ticks", "first at, s"], rows))
    acts = list(_acts(manifest, ticks, reasons))
    section.add(folded(f"By span of time: {number(len(acts))} acts", table(
        ["from, s", "to, s", "ticks", "joints", "reason", "largest change"], acts[:GATE_ROWS],
        _more(len(acts), "acts of the gate, those that ended in a stop or a fallback before the others"))))


def _more(count: int, what: str) -> str:
    return f"The first {GATE_ROWS} of {number(count)} {what}." if count > GATE_ROWS else ""


def _names(manifest: Manifest, numbers: Sequence[int]) -> str:
    if len(numbers) == len(manifest.joints) > 1:
        return "all"
    return ", ".join(manifest.joints[k].name for k in numbers)


def _acts(manifest: Manifest, ticks: Sequence[Tick], reasons: NDArray[np.uint16]) -> Iterator[list[Cell | Toned]]:
    """Yield one row for each stretch of ticks and mask of reasons, with all its joints; serious ones come first."""
    change = np.abs([tick.command.applied - tick.command.requested for tick in ticks])
    found: dict[tuple[bool, int, int, int], list[int]] = defaultdict(list)
    for k in range(reasons.shape[1]):
        edges = [0, *(np.flatnonzero(np.diff(reasons[:, k])) + 1), len(ticks)]
        for start, stop in pairwise(edges):
            if mask := int(reasons[start, k]):
                found[not mask & SERIOUS, int(start), int(stop), mask].append(k)
    for (mild, start, stop, mask), acted in sorted(found.items()):
        seconds = [(ticks[k].start_ns - ticks[0].start_ns) * 1e-9 for k in (start, stop - 1)]
        words = "; ".join(words for reason, words in MEANING.items() if mask & reason)
        part, units = change[start:stop, acted], {manifest.joints[k].unit for k in acted}
        known = bool(np.isfinite(part).any()) and len(units) == 1
        yield [f"{seconds[0]:.2f}", f"{seconds[1]:.2f}", stop - start, _names(manifest, acted),
               Toned(words, "warn" if mild else "bad"), f"{np.nanmax(part):.3g} {units.pop()}" if known else ""]
