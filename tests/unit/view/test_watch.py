# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A viewer computes states, rates and latencies from the messages of a graph."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from mat_ros.core.robot.description import Agent
from mat_ros.core.robot.joints import Joint
from mat_ros.core.tick.collect import NONE
from mat_ros.core.tick.messages import Applied, Observation, Outcome, Validity
from mat_ros.core.tick.safety import Reason
from mat_ros.view.terminal import Screen
from mat_ros.view.watch import GraphWatch, Tick

MS = 1_000_000


@dataclass(frozen=True)
class StandInManifest:
    """Return two agents: a with joints x and y, b with joint z."""

    agents = (Agent("a", ("x", "y")), Agent("b", ("z",)))
    joints = tuple(Joint(name, "position", "rad", -1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, "hold") for name in "xyz")


def observation(tick: int, episode: int = 0) -> Observation:
    return Observation(tick, tick * 20 * MS, tick * 20 * MS + 16 * MS, 0, episode, np.full(2, tick, np.float32))


def outcome(tick: int, validity: tuple[int, int] = (0, 0), reasons: tuple[int, int, int] = (0, 0, 0)) -> Outcome:
    applied = Applied(np.zeros(3), np.full(3, float(tick)), np.array(reasons, np.uint16), False)
    return Outcome(tick, 0, np.zeros((2, 2), np.float32), np.array(validity, np.uint8), applied, 0)


@pytest.fixture
def watch() -> GraphWatch:
    return GraphWatch(StandInManifest())


def follow(watch: GraphWatch, tick: int, **what) -> None:
    watch.on_observation(observation(tick))
    watch.on_applied(outcome(tick, **what), tick * 20 * MS + 3 * MS)


def test_a_tick_joins_what_was_measured_with_what_was_applied(watch: GraphWatch):
    follow(watch, 7)
    (tick,) = watch.ticks
    assert (tick.tick, tick.latency_ms, tick.states) == (7, 3.0, ("own", "own"))
    assert tick.signals.tolist() == [7.0, 7.0] and tick.applied.tolist() == [7.0] * 3


def test_a_command_that_overtakes_its_observation_is_not_lost(watch: GraphWatch):
    watch.on_applied(outcome(1), 23 * MS)
    assert not watch.ticks
    watch.on_observation(observation(1))
    assert [tick.tick for tick in watch.ticks] == [1] and watch.unobserved == 0


@pytest.mark.parametrize(("validity", "reasons", "state"), [
    (int(Validity.OWN), 0, "own"), (int(Validity.REDECIDED), 0, "redecided"), (int(Validity.HELD), 0, "held"),
    (int(Validity.ZERO), 0, "zero"), (NONE, int(Reason.MISSING), "silent"),
    (NONE, int(Reason.MISSING | Reason.FALLBACK), "fallback"), (int(Validity.OWN), int(Reason.STOPPED), "stopped"),
    (int(Validity.OWN), int(Reason.RATE), "own")])
def test_the_state_of_an_agent_is_the_worst_that_is_true_of_its_joints(watch: GraphWatch, validity, reasons, state):
    follow(watch, 0, validity=(validity, 0), reasons=(0, reasons, 0))
    assert watch.ticks[0].states == (state, "own")


def test_every_change_of_state_is_an_event_once(watch: GraphWatch):
    for tick, validity in enumerate([0, 0, 255, 1, 1, 0]):
        follow(watch, tick, validity=(0, validity))
    assert [(event.tick, event.what) for event in watch.events] == [
        (2, "b own \u2192 silent"), (3, "b silent \u2192 redecided"), (5, "b redecided \u2192 own")]


def test_rate_and_percentiles_are_those_of_the_recent_ticks(watch: GraphWatch):
    assert watch.rate_hz() == 0.0 and np.isnan(watch.latency_ms(50)[0])
    for tick in range(200):
        follow(watch, tick)
    assert watch.rate_hz() == pytest.approx(50.0)
    assert watch.latency_ms(50, 99) == (3.0, 3.0)


def test_without_a_terminal_the_screen_is_plain_lines(watch: GraphWatch):
    output = io.StringIO()
    with Screen(watch, "title", lambda watch: "door shut", output) as screen:
        screen.say("sim", "hello")
        follow(watch, 3, validity=(0, 1))
        watch.health.compared = 4
    lines = output.getvalue().splitlines()
    assert lines[0] == "sim | hello"
    assert lines[-1] == ("tick 3  0 Hz  p50 3.00 ms  p99 3.00 ms  1 own, 1 redecided  missed 0  compared 4  "
                         "differing 0  door shut")
    assert "\x1b" not in output.getvalue()


def test_the_table_shows_every_agent_with_its_state_and_recent_past(watch: GraphWatch):
    for tick in range(12):
        follow(watch, tick, validity=(0, 0 if tick < 6 else 1))
    screen = Screen(watch, "title", output=io.StringIO())
    screen.console.width = 120
    with screen.console.capture() as captured:
        screen.console.print(screen.draw())
    text = captured.get()
    assert "title" in text and "b own \u2192 redecided" in text
    (row,) = [line for line in text.splitlines() if line.split()[:3] == ["1", "b", "redecided"]]
    assert row.count("\u25aa") == 3


def test_a_view_is_drawn_without_ros():
    program = ("import sys\n"
               "from mat_ros.view import axes, charts, page, style, terminal, watch\n"
               "print([name for name in ('rclpy', 'mat_ros.nodes', 'mat_ros.msg') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_graph_whose_ticks_come_is_not_shown_as_waiting_for_the_first_and_no_time_is_nan():
    screen = Screen(GraphWatch(StandInManifest()), "arm", output=io.StringIO())
    screen.watch.health.reason = "waiting for the first tick"
    assert screen.state() == ("waiting", "for the first tick")
    screen.console.print(screen.draw())
    assert "nan" not in screen.console.file.getvalue()
    command = Applied(np.zeros(3), np.zeros(3), np.zeros(3, np.uint16), False)
    screen.watch.ticks.append(Tick(87, 0, 0, 1.0, np.zeros(3, np.float32), ("own",) * 2, command, 13.3))
    assert screen.state() == ("running", "")
