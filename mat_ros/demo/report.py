# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Write the page of the demonstration: pictures, decisions, the killed node, and latencies."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from mat_ros.demo.run import KILL_TICK, DemoRun
from mat_ros.view import charts, run_sections
from mat_ros.view.film import Film, replay
from mat_ros.view.page import (
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
from mat_ros.worlds.render import film_strip

OPEN_M = 0.5  # distance between the handles from which on the door counts as open
SHARES = (0.0, 0.25, 0.4, 0.5, 0.7)  # shares of an episode at which pictures are taken


def write(run: DemoRun, path: Path, command: str) -> Film | None:
    """Write the report of a run and return its film; for a run without a tick the page names the reason."""
    manifest, ticks = run.planned.bundle.manifest, list(run.watch.ticks)
    page = Page("Two hands push a double door open", _lead(run))
    if not ticks:
        page.add(paragraph(run.trouble, "bad"))
        page.write(path)
        return None
    rows = _episodes(run)
    at = [rows[k][min(len(rows[k]) - 1, round(share * len(rows[k])))] for k in range(len(rows)) for share in SHARES]
    film = replay(manifest, ticks, run.planned.settings.seed, "handle_position", at)
    gaps = np.abs(film.measured[:, 1] - film.measured[:, 4])  # (tick,), m
    page.add(key_figures(_figures(run, gaps)))
    if run.trouble:
        page.add(paragraph(f"The run broke off: {run.trouble}.", "bad"))
    _film(page, run, film)
    run_sections.latency(
        page, run.watch, manifest.period_ns * 1e-6,
        "Lock-step physics waits for each command, so a slow tick does not change the result. After a node dies, the "
        "gate waits for the node in two ticks and then no longer.")
    run_sections.decisions(page, run.watch, {f"{run.killed} killed": float(run.killed_tick)}
                           if run.killed and run.killed_tick is not None else {})
    run_sections.gate(page, manifest, run.watch)
    run_sections.joints(page, manifest, run.watch)
    _door(page, run, gaps)
    _nodes(page, run, command)
    page.write(path)
    return film


def _lead(run: DemoRun) -> str:
    manifest = run.planned.bundle.manifest
    nodes = sum(node.executable == "chain_node" for node in run.planned.graph.nodes)
    words = (f"{nodes} nodes decide for {len(manifest.agents)} agents with {len(manifest.joints)} joints, "
             f"over DDS, in lock-step with MuJoCo.")
    if run.killed:
        words += f" In the second episode the node {run.killed} is killed while the door is shut, and is not restarted."
    return words


def _episodes(run: DemoRun) -> list[list[int]]:
    """Return the indices of the ticks of each episode."""
    return [[k for k, _ in group] for _, group in groupby(enumerate(run.watch.ticks), lambda pair: pair[1].episode)]


def _figures(run: DemoRun, gaps: np.ndarray) -> list[KeyFigure]:
    health = run.watch.health
    found: dict[str, Any] = run.summary()
    opened = [next((k - rows[0] for k in rows if gaps[k] > OPEN_M), None) for rows in _episodes(run)]
    period_s = run.planned.bundle.manifest.period_ns * 1e-9
    times = ", ".join("never" if tick is None else f"{tick * period_s:.2f} s" for tick in opened)
    figures = [
        KeyFigure("door", "open at the end" if run.success else "not open at the end", f"first opened after {times}",
                  "good" if run.success else "bad"),
        KeyFigure("ticks", number(len(run.watch.ticks)), f"{health.missed} missed", "" if not health.missed else "bad"),
        KeyFigure("decided again", number(health.compared), f"in one process; {health.differing} differ in any bit",
                  "good" if health.compared and not health.differing else "bad"),
        KeyFigure("latency p50", f"{found['p50_ms']:.1f} ms", f"p99 {found['p99_ms']:.1f} ms, from tick to command"),
        KeyFigure("all nodes active", f"{run.active_s:.1f} s", "after the first process was started"),
    ]
    if run.killed:
        agent = run.killed.removeprefix("chain_")
        figures.append(KeyFigure("killed", agent, f"SIGKILL at tick {run.killed_tick}, not restarted", "warn"))
    return figures


def _film(page: Page, run: DemoRun, film: Film) -> None:
    section = page.section("Film", "The same physics, stepped again with the commands that were applied: "
                           f"{film.same} of {len(run.watch.ticks)} observations have the same bits again.")
    if film.pictures:
        seconds = ", ".join(f"{share * len(_episodes(run)[0]) * run.planned.bundle.manifest.period_ns * 1e-9:.1f}"
                            for share in SHARES)
        rows = "First row: all nodes alive. Second row: one node dead. " if run.killed else ""
        caption = f"{rows}From left to right {seconds} s after the start."
        section.add(picture(film_strip(film.pictures, len(SHARES)), "the hands at the door, moment by moment", caption))
    else:
        section.add(paragraph(f"No pictures: {film.trouble}", "warn"))


def _door(page: Page, run: DemoRun, gaps: np.ndarray) -> None:
    section = page.section("Door", f"The task is done while the handles are more than {OPEN_M} m apart. An "
                           "episode is a success when its task is done at the end, and has been for half a second.")
    names = ["healthy", "one node dead"]
    curves = [charts.Line(names[k], np.arange(len(rows)), gaps[rows], dashed=k > 0)
              for k, rows in enumerate(_episodes(run)[:2])]
    same = len(curves) == 2 and np.array_equal(np.asarray(curves[0].y), np.asarray(curves[1].y))
    section.add(figure(charts.lines(curves, "tick of the episode", "m between the handles",
                                    marks={"node killed": float(KILL_TICK)} if run.killed else {}),
                       "Both episodes have the same bits, so one curve covers the other." if same else ""))
    ends = [Toned("open", "good") if episode.success else Toned("opened, and not held", "bad") if episode.reached
            else Toned("never open", "bad") for episode in run.episodes]
    section.add(table(["episode", "ticks", "sum of the task's measure", "door"],
                      [[e.number, e.ticks, repr(e.total), end] for e, end in zip(run.episodes, ends, strict=True)]))


def _nodes(page: Page, run: DemoRun, command: str) -> None:
    section = page.section("Run it again")
    bundle = run.planned.bundle
    section.add(code(f"{command}\n\npolicy {bundle.manifest.name}, sha256 {bundle.digest}"))
    rows = [[node.name, node.executable, run.starts.get(node.name, 0),
             Toned("killed", "bad") if node.name == run.killed else "to the end"] for node in run.planned.graph.nodes]
    section.add(folded(f"{len(rows)} processes", table(["node", "runs", "starts", "lived"], rows)))
