# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Collect the messages of a graph for a live table and for a report. This module imports no ROS."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.tick.collect import NONE
from mat_ros.core.tick.messages import Applied, Observation, Outcome, Validity
from mat_ros.core.tick.safety import Reason

STATES = ("own", "redecided", "held", "zero", "silent", "fallback", "stopped")
STATE_OF_VALIDITY = {int(Validity.OWN): "own", int(Validity.REDECIDED): "redecided", int(Validity.HELD): "held",
                     int(Validity.ZERO): "zero", NONE: "silent"}
GRAPH_MODES = ("waiting", "running", "degraded", "stopped")  # modes in the order of their numbers in ChainStatus
RATE_WINDOW_NS = 1_000_000_000
RECENT = 600  # ticks over which the live table computes percentiles


@dataclass(frozen=True)
class Tick:
    """Hold one tick as its messages show it."""

    tick: int
    episode: int
    start_ns: int
    latency_ms: float  # time from the start of the tick until the command left the gate
    signals: NDArray[np.float32]  # (signal,): the measurements on which the tick was decided
    states: tuple[str, ...]  # one of STATES for each agent
    command: Applied  # requested and applied commands, and the gate's reasons
    deadline_ms: float  # time from the start of the tick until the gate had to act

    @property
    def applied(self) -> NDArray[np.float64]:
        """Return the applied commands (joint,)."""
        return self.command.applied


@dataclass(frozen=True)
class Event:
    """Describe an event on the time axis."""

    tick: int
    what: str


@dataclass
class GraphHealth:
    """Hold the last reports of supervisor, checker and detector."""

    mode: str = "waiting"
    reason: str = ""
    missed: int = 0
    redecided: int = 0
    late: int = 0
    refused: int = 0
    compared: int = 0
    differing: int = 0
    undecided: int = 0
    silent: tuple[str, ...] = ()
    detected: str = ""  # the joints that the detector reports as broken

    def take(self, mode: str, status: Any) -> None:
        """Store a ChainStatus."""
        self.mode, self.reason, self.silent = mode, status.reason, tuple(status.silent)
        for name in ("missed", "redecided", "late", "refused", "compared", "differing", "undecided"):
            setattr(self, name, int(getattr(status, name) or 0))  # None in recordings of older versions


@dataclass
class GraphWatch:
    """Follow a graph tick by tick."""

    manifest: Manifest
    keep: bool = True  # whether every tick is stored, for a report, or only the recent ticks
    health: GraphHealth = field(default_factory=GraphHealth)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start without a tick."""
        self.agents = tuple(agent.name for agent in self.manifest.agents)
        self.ticks: deque[Tick] = deque(maxlen=None if self.keep else RECENT)
        self.unobserved = 0  # number of commands whose observation did not arrive
        self._observed: dict[int, Observation] = {}
        self._early: tuple[Outcome, int] | None = None  # a command that arrived before its observation
        place = {joint.name: k for k, joint in enumerate(self.manifest.joints)}
        self._joints = [[place[name] for name in agent.joints] for agent in self.manifest.agents]

    @property
    def tick(self) -> int:
        """Return the last tick, or -1."""
        return self.ticks[-1].tick if self.ticks else -1

    def on_observation(self, observation: Observation) -> None:
        """Store the observation of a tick."""
        self._observed[observation.tick] = observation
        while len(self._observed) > RECENT:
            del self._observed[next(iter(self._observed))]
        early, self._early = self._early, None
        if early is not None:
            self.on_applied(*early)

    def on_applied(self, outcome: Outcome, stamp_ns: int) -> None:
        """Store the command that the gate sent."""
        observation = self._observed.pop(outcome.tick, None)
        if observation is None:
            self.unobserved += self._early is not None
            self._early = outcome, stamp_ns  # two publishers: a later message may arrive first
            return
        states = tuple(self._state(slot, outcome) for slot in range(len(self.agents)))
        before = self.ticks[-1].states if self.ticks else ("own",) * len(states)
        for name, old, new in zip(self.agents, before, states, strict=True):
            if old != new:
                self.events.append(Event(outcome.tick, f"{name} {old} \u2192 {new}"))
        self.ticks.append(Tick(outcome.tick, observation.episode, observation.start_ns,
                               (stamp_ns - observation.start_ns) * 1e-6, observation.signals, states, outcome.applied,
                               (observation.deadline_ns - observation.start_ns) * 1e-6))

    def note(self, what: str) -> None:
        """Add an event at the present tick."""
        self.events.append(Event(self.tick, what))

    def _state(self, slot: int, outcome: Outcome) -> str:
        reasons = int(np.bitwise_or.reduce(outcome.applied.reasons[self._joints[slot]]))
        if reasons & Reason.STOPPED:
            return "stopped"
        if reasons & Reason.FALLBACK:
            return "fallback"
        return STATE_OF_VALIDITY[int(outcome.validity[slot])]

    # -- for the live view ---------------------------------------------------------------------------------------

    def recent(self, count: int = RECENT) -> list[Tick]:
        """Return the last ticks."""
        return [self.ticks[k] for k in range(-min(count, len(self.ticks)), 0)]

    def rate_hz(self) -> float:
        """Return the ticks per second over the last second."""
        starts = [tick.start_ns for tick in self.recent()]
        inside = [start for start in starts if starts[-1] - start <= RATE_WINDOW_NS]
        return (len(inside) - 1) / ((inside[-1] - inside[0]) * 1e-9) if len(inside) > 1 else 0.0

    def latency_ms(self, *shares: float) -> tuple[float, ...]:
        """Return percentiles of the recent ticks' latency, NaN without ticks."""
        found = [tick.latency_ms for tick in self.recent()]
        return tuple(float(np.percentile(found, share)) if found else float("nan") for share in shares)

    def counts(self) -> Counter[str]:
        """Return the number of agents in each present state."""
        return Counter(self.ticks[-1].states) if self.ticks else Counter()
