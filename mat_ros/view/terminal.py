# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Show a running graph in the terminal as a live table, or as plain lines where the output is not a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mat_ros.view.watch import STATES, GraphWatch

REDRAWS_PER_S = 8
STILL_S = 0.9  # time without a tick after which the rate is zero: longer than a slow tick, shorter than LINES_EVERY_S
LINES_EVERY_S = 1.0  # interval of the lines where the output is not a terminal
ROWS = 26  # agents in a column; further agents stand in further columns
HISTORY = 24  # number of marks for an agent's recent ticks
TICKS_PER_MARK = 5
COLOURS = {"own": "green", "redecided": "yellow", "held": "magenta", "zero": "magenta", "silent": "red",
           "fallback": "red", "stopped": "bold red"}
MODE_COLOURS = {"running": "green", "degraded": "yellow", "stopped": "bold red", "waiting": "dim"}

FIRST_TICK = "waiting for the first tick"  # reason of the supervisor in a graph that is about to run

Progress = Callable[[GraphWatch], str]  # returns a few words about the task


class Screen:
    """Draw a watched graph; use a screen in a `with` block and call `refresh` often."""

    def __init__(self, watch: GraphWatch, title: str, progress: Progress = lambda watch: "",
                 output: TextIO | None = None) -> None:
        self.watch, self.title, self.progress = watch, title, progress
        self.console = Console(file=output or sys.stdout, highlight=False)
        self._live = Live(console=self.console, auto_refresh=False, transient=False) \
            if self.console.is_terminal else None
        self._due_s = 0.0
        self._seen, self._moved_s = watch.tick, time.monotonic()  # the last new tick, and the time of its arrival

    def __enter__(self) -> Screen:
        """Start the live table."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        """Leave the last state on the screen."""
        self.refresh(now=True)
        if self._live is not None:
            self._live.stop()

    def say(self, name: str, line: str) -> None:
        """Print a node's line above the table."""
        if self._live is not None:
            self.console.print(Text.assemble((f"{name} ", "dim"), line))
        else:
            print(f"{name} | {line}", file=self.console.file, flush=True)

    def refresh(self, now: bool = False) -> None:
        """Draw when the next drawing is due, or at once with `now`."""
        if not now and time.monotonic() < self._due_s:
            return
        if self._live is not None:
            self._due_s = time.monotonic() + 1.0 / REDRAWS_PER_S
            self._live.update(self.draw(), refresh=True)
        else:
            self._due_s = time.monotonic() + LINES_EVERY_S
            print(self.line(), file=self.console.file, flush=True)

    def _rate_hz(self) -> float:
        """Return the ticks per second, zero where no tick comes."""
        if self.watch.tick != self._seen:
            self._seen, self._moved_s = self.watch.tick, time.monotonic()
        return self.watch.rate_hz() if time.monotonic() - self._moved_s < STILL_S else 0.0

    # -- what is shown -------------------------------------------------------------------------------------------

    def line(self) -> str:
        """Return the state of the graph in one line."""
        watch, health = self.watch, self.watch.health
        if not watch.ticks:
            reason = health.reason or "no tick yet"
            return reason if reason.startswith("waiting") else f"waiting: {reason}"
        p50, p99 = watch.latency_ms(50, 99)
        counts = watch.counts()
        states = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
        trouble = "" if health.mode in ("running", "waiting") else f"{health.mode}: {health.reason}"
        parts = [f"tick {watch.tick}", f"{self._rate_hz():.0f} Hz", f"p50 {p50:.2f} ms", f"p99 {p99:.2f} ms", states,
                 f"missed {health.missed}", f"compared {health.compared}", f"differing {health.differing}",
                 f"undecided {health.undecided}" if health.undecided else "", self.progress(watch), health.detected,
                 trouble]
        return "  ".join(part for part in parts if part)

    def state(self) -> tuple[str, str]:
        """Return the mode of the graph and its reason; the status comes once a second, and ticks come at once."""
        mode, reason = self.watch.health.mode, self.watch.health.reason
        if mode == "waiting" and self.watch.ticks and reason in ("", FIRST_TICK):
            return "running", ""
        return mode, reason.removeprefix(f"{mode} ")

    def draw(self) -> Group:
        """Return the whole table."""
        watch, health = self.watch, self.watch.health
        p50, p99 = watch.latency_ms(50, 99)
        mode, reason = self.state()
        head = Text.assemble((f" {self.title} ", "bold"), "  ", (mode, MODE_COLOURS.get(mode, "")),
                             (f"  {reason}" if reason else "", "dim"))
        figures = Table.grid(padding=(0, 3))
        figures.add_row(*(Text.assemble((name + " ", "dim"), (value, style)) for name, value, style in (
            ("tick", str(max(0, watch.tick)), "bold"), ("rate", f"{self._rate_hz():.0f} Hz", "bold"),
            ("latency p50", _ms(p50), "bold"), ("p99", _ms(p99), "bold"),
            ("missed", str(health.missed), "red" if health.missed else "green"),
            ("compared", str(health.compared), ""),
            ("differing", str(health.differing), "red" if health.differing else "green"),
            ("undecided", str(health.undecided), "red" if health.undecided else "green"))))
        columns = Table.grid(padding=(0, 4))
        agents = range(len(watch.agents))
        columns.add_row(*(self._agents(agents[k:k + ROWS]) for k in range(0, len(agents), ROWS)))
        parts: list[RenderableType] = [head, Text(), figures, Text(), columns]
        if words := self.progress(watch):
            parts += [Text(), Text.assemble(("task ", "dim"), words)]
        if health.detected:
            parts.append(Text.assemble(("detector ", "dim"), (health.detected, "yellow")))
        parts += [Text.assemble((f"tick {event.tick:>5} ", "dim"), event.what) for event in watch.events[-3:]]
        return Group(*parts)

    def _agents(self, slots: range) -> Table:
        table = Table(box=None, padding=(0, 1), header_style="dim")
        for name in ("slot", "agent", "state", f"last {HISTORY * TICKS_PER_MARK} ticks"):
            table.add_column(name, justify="right" if name == "slot" else "left", no_wrap=True)
        past = self.watch.recent(HISTORY * TICKS_PER_MARK)
        # Marks begin at fixed ticks, so that a mark does not change while new ticks come.
        past = past[next((k for k, tick in enumerate(past) if tick.tick % TICKS_PER_MARK == 0), 0):]
        for slot in slots:
            states = [tick.states[slot] for tick in past]
            marks = [max(states[k:k + TICKS_PER_MARK], key=STATES.index) for k in range(0, len(states), TICKS_PER_MARK)]
            state = states[-1] if states else "silent"
            table.add_row(str(slot), self.watch.agents[slot], Text(state, COLOURS[state]) if states else Text("\u2013"),
                          Text.assemble(*(("\u25aa", COLOURS[mark]) for mark in marks)))
        return table


def _ms(value: float) -> str:
    """Return a time in ms; a dash where no tick has one."""
    return f"{value:.2f} ms" if value == value else "\u2013"
