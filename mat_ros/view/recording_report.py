# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Write the report of a recording: figures, film, time line, latency, decisions, joints and gate."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from mat_ros.core.errors import Missing, Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.record.recording import Recording
from mat_ros.core.tick.safety import Reason
from mat_ros.view import charts, run_sections
from mat_ros.view.page import (
    Cell,
    KeyFigure,
    Page,
    Toned,
    code,
    figure,
    folded,
    key_figures,
    number,
    paragraph,
    picture,
    table,
)
from mat_ros.view.recorded_run import RecordedRun, read_run

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # shares of the first episode at which pictures are taken
EVENT_ROWS = 60
KINDS = {"episode": "var(--quiet)", "fault": "var(--series-1)", "believed": "var(--series-3)",
         "gate": "var(--series-2)", "stop": "var(--bad)", "node": "var(--series-0)"}


def write(recording: Recording, bundle: Bundle, path: Path, command: str) -> dict[str, Any]:
    """Write the report of a recording, and return its main figures."""
    run = read_run(recording, bundle)
    found = summary(run)
    manifest = bundle.manifest
    page = Page(f"Report of {recording.path.name}", f"Policy {manifest.name}, {len(manifest.agents)} agents, "
                f"{len(manifest.joints)} joints, {recording.length_s:.1f} s.")
    page.add(key_figures(_figures(found)))
    for sentence in run.missing:
        page.add(paragraph(sentence, "warn"))
    if run.watch.ticks:
        period_ms = manifest.period_ns * 1e-6
        _stops(page, run)
        _film(page, run)
        _events(page, run)
        run_sections.decisions(page, run.watch, {})
        run_sections.gate(page, manifest, run.watch)
        run_sections.joints(page, manifest, run.watch)
        run_sections.latency(page, run.watch, period_ms, "")
    else:
        page.add(paragraph("No command with its observation was recorded, so there is nothing to draw.", "bad"))
        _events(page, run)
    section = page.section("Where it comes from")
    section.add(code(f"{command}\n\npolicy {manifest.name}, sha256 {bundle.digest}"))
    facts = [[name, str(value)] for name, value in recording.facts.items() if name not in ("gate", "digest")]
    section.add(folded("Facts of the recording", table(["fact", "value"], facts)))
    page.write(path)
    return found


def summary(run: RecordedRun) -> dict[str, Any]:
    """Return the main figures of a run."""
    ticks, watch = run.watch.ticks, run.watch
    states = [state for tick in ticks for state in tick.states]
    latencies = [tick.latency_ms for tick in ticks]
    p50, p99 = (round(float(np.percentile(latencies, share)), 3) if latencies else None for share in (50, 99))
    return {"policy": run.bundle.manifest.name, "length_s": round(run.recording.length_s, 3), "ticks": len(ticks),
            "episodes": len({tick.episode for tick in ticks}),
            "missed": sum(bool((tick.command.reasons & (Reason.MISSING | Reason.NOT_FINITE)).any()) for tick in ticks),
            "slots": {state: states.count(state) for state in dict.fromkeys(states)},
            "stops": len(_stretches(run)), "compared": watch.health.compared,
            "differing": watch.health.differing, "p50_ms": p50, "p99_ms": p99, "truncated": run.recording.truncated,
            "missing": run.missing}


def _figures(found: dict[str, Any]) -> list[KeyFigure]:
    slots = found["slots"]
    others = ", ".join(f"{number(count)} {state}" for state, count in slots.items() if state != "own")
    figures = [
        KeyFigure("length", f"{found['length_s']:.1f} s", f"{number(found['ticks'])} ticks, "
                  f"{found['episodes']} episode{'s' if found['episodes'] != 1 else ''}"),
        KeyFigure("decided by own node", number(slots.get("own", 0)), others or "no slot by another node",
                  "warn" if others else "good"),
        KeyFigure("ticks without a request", number(found["missed"]), "of at least one joint",
                  "bad" if found["missed"] else "good"),
        KeyFigure("stops", number(found["stops"]), "latched by the gate", "bad" if found["stops"] else "good")]
    if found["p50_ms"] is not None:
        figures.append(KeyFigure("latency p50", f"{found['p50_ms']:.1f} ms", f"p99 {found['p99_ms']:.1f} ms"))
    if found["compared"]:
        figures.append(KeyFigure("decided again live", number(found["compared"]),
                                 f"{found['differing']} differ in any bit", "bad" if found["differing"] else "good"))
    return figures


def _stretches(run: RecordedRun) -> list[tuple[int, int]]:
    """Return the first tick and the tick behind the last of each stop, as indices."""
    found, at = [], 0
    for stopped, group in groupby(tick.command.stopped for tick in run.watch.ticks):
        length = len(list(group))
        if stopped:
            found.append((at, at + length))
        at += length
    return found


def _stops(page: Page, run: RecordedRun) -> None:
    """Add when and why the gate stopped, and what happened after."""
    ticks, joints = run.watch.ticks, run.bundle.manifest.joints
    if not (found := _stretches(run)):
        return
    rows: list[list[Cell | Toned]] = []
    for start, stop in found:
        before = np.array([ticks[k].command.reasons for k in range(max(0, start - 1), start + 1)])
        moved = [j.name for j, mask in zip(joints, before[-1], strict=True) if mask & Reason.MOTION]
        lost = [j.name for j, mask in zip(joints, np.bitwise_or.reduce(before), strict=True) if mask & Reason.MISSING]
        why = (f"{', '.join(moved)} moved other than commanded" if moved else
               f"no request for {'all joints' if len(lost) == len(joints) else ', '.join(lost)}" if lost else
               "latched from outside of the gate")
        seconds = (ticks[stop - 1].start_ns - ticks[start].start_ns) * 1e-9
        after = (f"the stop was undone after {seconds:.2f} s" if stop < len(ticks) else
                 f"still stopped {seconds:.2f} s later, when the recording ended")
        rows.append([f"{(ticks[start].start_ns - ticks[0].start_ns) * 1e-9:.2f}", ticks[start].tick, why, after])
    page.section("Stops").add(table(["at, s", "tick", "why", "what happened after"], rows[:EVENT_ROWS]))


def _film(page: Page, run: RecordedRun) -> None:
    """Add pictures of the first episode, as long as stepping the world again gives the recorded observations."""
    gate = run.recording.facts.get("gate", {})
    if gate and not gate.get("simulated"):
        return  # a real robot: no world shows what it did
    try:
        from mat_ros.view.film import replay
        from mat_ros.worlds.render import film_strip

        first = next(iter(groupby(run.watch.ticks, lambda tick: tick.episode)))[1]
        ticks = list(first)
        at = [round(share * (len(ticks) - 1)) for share in SHARES]
        film = replay(run.bundle.manifest, ticks, run.recording.facts.get("seed", 0), "", at)
    except (Missing, Refused, ImportError) as error:
        page.section("Film").add(paragraph(f"No pictures: {error}", "warn"))
        return
    section = page.section("Film", f"The same physics, stepped again with the commands that were applied: {film.same} "
                           f"of {len(ticks)} observations have the same bits again.")
    if film.trouble:
        section.add(paragraph(f"No pictures: {film.trouble}", "warn"))
    elif film.same < len(ticks):
        section.add(paragraph("No pictures: they would show another run. Faults of joints and sensors, a world that "
                              "runs in real time, or a missing begin cause this.", "warn"))
    else:
        seconds = ", ".join(f"{k * run.bundle.manifest.period_ns * 1e-9:.1f}" for k in at)
        section.add(picture(film_strip(film.pictures), "the robot, moment by moment",
                            f"From left to right {seconds} s after the start of the first episode."))


def _events(page: Page, run: RecordedRun) -> None:
    """Add all events on one line of time."""
    if not run.events:
        return
    section = page.section("Events")
    spans = [charts.LaneSpan(event.kind, run.seconds(event.at_ns), run.seconds(event.at_ns), event.kind, event.what)
             for event in run.events]
    kinds = {kind: colour for kind, colour in KINDS.items() if any(span.kind == kind for span in spans)}
    section.add(figure(charts.timeline(spans, "s", kinds=kinds, lanes=list(kinds), stop=run.recording.length_s)))
    rows = [[f"{run.seconds(event.at_ns):.2f}", event.kind, event.what] for event in run.events]
    more = f"The first {EVENT_ROWS} of {number(len(rows))} events." if len(rows) > EVENT_ROWS else ""
    section.add(table(["s", "kind", "event"], rows[:EVENT_ROWS], more))
