# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Read a recording into the form in which a report shows a run: ticks, events, and what is missing."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.record.recording import Recording
from mat_ros.core.tick.safety import GateEvent
from mat_ros.core.wire import cdr
from mat_ros.core.wire.tick import MANIFEST, read_applied, read_observation
from mat_ros.view.watch import GRAPH_MODES, GraphWatch

SHOWN = ("observation", "applied", "overrides", "descriptor", "status", "fault_state")
GATE_EVENTS = {GateEvent.ACTIVATED: ("gate", "the gate took over the robot where it stood"),
               GateEvent.LATCHED: ("stop", "a stop of every joint was latched from outside of the gate"),
               GateEvent.DISTRUSTED: ("stop", "a stop was latched because of the measured motion of joints")}


@dataclass(frozen=True)
class RunEvent:
    """Describe what happened at a time of the recording."""

    at_ns: int  # time of recording
    kind: str  # episode, fault, believed, gate, stop or node
    what: str


@dataclass
class RecordedRun:
    """Hold what a report shows of a recording."""

    recording: Recording
    bundle: Bundle
    watch: GraphWatch
    events: list[RunEvent] = field(default_factory=list)  # in the order of writing
    begin_ns: int | None = None  # time of recording of the first observation
    foreign: int = 0  # messages of another policy
    unreadable: int = 0  # messages whose bytes contradict their type

    def seconds(self, at_ns: int) -> float:
        """Return a time of recording in seconds after the first observation; 0 before it."""
        return max(0.0, (at_ns - (at_ns if self.begin_ns is None else self.begin_ns)) * 1e-9)

    @property
    def missing(self) -> list[str]:
        """Return a sentence for each part of the run that the recording does not hold."""
        ticks = [tick.tick for tick in self.watch.ticks]
        skipped = sum(max(0, b - a - 1) for a, b in pairwise(ticks))
        counts = ((skipped, "control periods have no recorded command with its observation"),
                  (self.watch.unobserved, "commands have no recorded observation"),
                  (self.foreign, "messages belong to another policy"),
                  (self.unreadable, "messages are damaged or of another version, and cannot be read"))
        found = [f"{number} {words}." for number, words in counts if number]
        return ([f"{self.recording.gap}."] if self.recording.gap else []) + found


def read_run(recording: Recording, bundle: Bundle) -> RecordedRun:
    """Return the run of a recording, which its policy's bundle explains. Refuse another bundle."""
    digest = recording.facts.get("digest", bundle.digest)
    if digest != bundle.digest:
        raise Refused("policy", f"the recorded bundle {digest[:16]}…", f"{bundle.digest[:16]}…",
                      "name the bundle that was recorded with --policy")
    run = RecordedRun(recording, bundle, GraphWatch(bundle.manifest))
    follow = _Events(run)
    hash64, network = bundle.hash64.to_bytes(8, "little"), bundle.manifest.network
    for topic, message in recording.messages(SHOWN):
        try:
            if topic in ("observation", "applied"):
                if message.data[MANIFEST] != hash64:
                    run.foreign += 1
                elif topic == "observation":
                    run.begin_ns = message.time_ns if run.begin_ns is None else run.begin_ns
                    observed = read_observation(message.data, bundle.manifest.layout.signal_count)
                    follow.episode(message.time_ns, observed.episode)
                    run.watch.on_observation(observed)
                else:
                    outcome, stamp_ns = read_applied(message.data, network.act_dim)
                    follow.gate(message.time_ns, outcome.applied.events, outcome.applied.stopped)
                    run.watch.on_applied(outcome, stamp_ns)
            else:
                follow.said(topic, message.time_ns, cdr.decode(message.type, message.data))
        except (Refused, struct.error, ValueError, IndexError):
            run.unreadable += 1
    return run


class _Events:
    """Turn repeated states into events at the times of their changes."""

    def __init__(self, run: RecordedRun) -> None:
        self._run = run
        self._episode: int | None = None
        self._stopped = False
        self._faults: dict[str, str] = {}
        self._pids: dict[str, int] = {}
        self._silent: set[str] = set()
        self._mode = ""

    def _add(self, at_ns: int, kind: str, what: str) -> None:
        self._run.events.append(RunEvent(at_ns, kind, what))

    def episode(self, at_ns: int, number: int) -> None:
        """Note the begin of an episode."""
        if number != self._episode:
            self._add(at_ns, "episode", f"episode {number} began")
        self._episode = number

    def gate(self, at_ns: int, events: int, stopped: bool) -> None:
        """Note what happened to the gate, and the begin and the end of a stop."""
        for event, (kind, words) in GATE_EVENTS.items():
            if events & event:
                self._add(at_ns, kind, words)
        if stopped != self._stopped:
            self._add(at_ns, "stop", "the gate stopped joints" if stopped else "the stop ended")
        self._stopped = stopped

    def said(self, topic: str, at_ns: int, message: SimpleNamespace) -> None:
        """Note what a message about faults, nodes or the chain changes."""
        {"overrides": self._believed, "descriptor": self._described, "status": self._status,
         "fault_state": self._injected}[topic](at_ns, message)

    def _injected(self, at_ns: int, message: Any) -> None:
        present = dict(zip(message.ids, (f"{kind} of {target}" for kind, target in
                                         zip(message.kinds, message.targets, strict=True)), strict=True))
        for name in present.keys() - self._faults.keys():
            self._add(at_ns, "fault", f"fault injected: {present[name]}")
        for name in self._faults.keys() - present.keys():
            self._add(at_ns, "fault", f"fault over: {self._faults[name]}")
        self._faults = present

    def _believed(self, at_ns: int, message: Any) -> None:
        agents = self._run.bundle.manifest.agents
        names = [agents[slot].name for slot in message.slots if slot < len(agents)]
        self._add(at_ns, "believed", f"believed broken: {', '.join(names)}" if names else "no joint is believed broken")

    def _described(self, at_ns: int, message: Any) -> None:
        before = self._pids.get(message.name)
        if before is not None and before != message.pid:
            self._add(at_ns, "node", f"{message.name} was started again")
        self._pids[message.name] = message.pid

    def _status(self, at_ns: int, message: Any) -> None:
        silent, mode = set(message.silent), GRAPH_MODES[message.mode]
        if self._mode not in ("", "waiting"):  # at the start, no node has reported
            for name in sorted(silent - self._silent):
                self._add(at_ns, "node", f"{name} stopped reporting")
            for name in sorted(self._silent - silent):
                self._add(at_ns, "node", f"{name} reports again")
        if mode != self._mode and self._mode:
            self._add(at_ns, "node", f"the chain is {mode}" + (f": {message.reason}" if message.reason else ""))
        self._silent, self._mode = silent, mode
        self._run.watch.health.take(mode, message)
