# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run the safety gate of a recording again, and name each command that the gate would not have made.

A command of the gate follows from limits and settings, from the measured positions, from the requests, from the time
since the hardware took the last command, and from what happened to the gate in between. The fact `gate` of a recording
holds the limits and settings. Each Applied message holds the time and the events. So a replay needs no clock, and it
computes lock-step and real-time recordings to the bit.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.record.mcap import Message
from mat_ros.core.record.recording import Recording
from mat_ros.core.record.ticks import Said, Ticks
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.core.robot.joints import Joint
from mat_ros.core.tick.collect import NONE
from mat_ros.core.tick.messages import Applied, Float32, Outcome
from mat_ros.core.tick.placement import Placement
from mat_ros.core.tick.safety import Gate, GateEvent, Reason
from mat_ros.core.wire import cdr
from mat_ros.core.wire.fields import ns_of, rows

OLDER = "gate not replayed: recorded by an older version"
UNLIMITED = "gate not replayed: the recording does not hold the limits of the gate"
TAKEN_BACK = GateEvent.NOT_TAKEN | GateEvent.TAKEN_BACK  # each needs the command before the last one
Key = tuple[int, bytes]  # tick and source stamp
KeyOf = Callable[[str, Message], Key | None]
Place = dict[str, Any]  # {"tick", "slot", "field", "joint"} of a difference


@dataclass(frozen=True)
class GateSetup:
    """Hold everything that a gate is made of, and the kind of robot that it guards."""

    joints: tuple[Joint, ...]  # with the limits that ruled
    period_ns: int
    settings: GuardSettings
    lockstep: bool  # every command counts as one period
    simulated: bool  # each episode places the robot anew

    def gate(self) -> Gate:
        """Return a new gate."""
        return Gate(self.joints, self.period_ns, self.settings)

    def to_dict(self) -> dict[str, Any]:
        """Return the setup as plain values. `from_dict` restores an equal setup."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> GateSetup:
        """Return the setup of plain values, as read from a recording."""
        try:
            joints = tuple(Joint.from_dict(joint) for joint in data["joints"])
            setup = cls(joints, data["period_ns"], GuardSettings.from_dict(data["settings"]), data["lockstep"],
                        data["simulated"])
            fits = (type(setup.period_ns) is int and 0 < setup.period_ns < 2**63 and type(setup.lockstep) is bool
                    and type(setup.simulated) is bool)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Refused("recorded gate", "joints, period and settings", repr(error), "record it anew") from error
        if not fits:
            raise Refused("recorded gate", "a period in ns, and true or false for lockstep and simulated",
                          [data[name] for name in ("period_ns", "lockstep", "simulated")], "record it anew")
        return setup


@dataclass
class GateReport:
    """Hold the result of running the gate of a recording again."""

    reason: str = ""  # why the gate was not run; empty where it was
    commands: int = 0  # commands that were computed again
    differing: int = 0  # of these, commands that differ
    unknown: int = 0  # commands behind a gap, which give the state of the gate but cannot be computed
    differences: dict[Key, tuple[int, Place]] = field(default_factory=dict)  # time of the observation, and place

    @property
    def note(self) -> str:
        """Return a sentence for a person; empty where nothing was applied."""
        if self.reason or not self.commands + self.unknown:
            return self.reason
        note = (f"gate: {self.commands} commands computed again, {self.commands - self.differing} equal to the bit")
        return note + (f"; {self.unknown} not, since earlier commands are missing" if self.unknown else "")


class GateReplay:
    """Follow a gate from command to command."""

    def __init__(self, setup: GateSetup, manifest: Manifest) -> None:
        expected, got = [joint.name for joint in manifest.joints], [joint.name for joint in setup.joints]
        if got != expected:
            raise Refused("recorded gate", f"the joints {expected}", got, "name the policy that was recorded")
        self._setup, self._names = setup, expected
        self._map, self._slots = manifest.action_map, manifest.action_map.slot_of_joint
        self._placement = Placement(manifest, setup.lockstep, setup.simulated)
        self._gate: Gate | None = None  # None: its state is not known
        self._number = 0  # of the next command
        self._seeded = False  # the last command but one is not known

    def follow(self, outcome: Outcome, signals: Float32 | None) -> tuple[bool, Place | None]:
        """Return whether a command was computed again, and where it differs. `signals`: None without observation."""
        applied = outcome.applied
        if applied.number == 0:
            self._gate, self._seeded = self._setup.gate(), False
        elif applied.number != self._number or (self._seeded and applied.events & TAKEN_BACK):
            self._gate = None
        self._number = applied.number + 1
        if self._gate is None or signals is None:
            self._seed(applied)
            return False, None
        self._seeded = False
        try:
            found = self._again(self._gate, signals, outcome)
        except Refused:  # the gate would not have been activated there
            self._seed(applied)
            return True, {"tick": outcome.tick, "slot": -1, "field": "applied.events", "joint": ""}
        return True, self._difference(outcome.tick, found, applied)

    def _seed(self, applied: Applied) -> None:
        """Continue from a recorded command, where the command tells the whole state of the gate."""
        self._gate = None
        if np.isfinite(applied.requested).all():
            self._gate = self._setup.gate()
            self._gate.continue_from(applied)
            self._seeded = True

    def _again(self, gate: Gate, signals: Float32, outcome: Outcome) -> Applied:
        """Repeat what happened to the gate, and return its command for the actions of the tick."""
        applied, present = outcome.applied, self._placement.positions(signals)
        events = GateEvent(applied.events)
        if events & GateEvent.NOT_TAKEN:
            gate.not_taken()
        if events & GateEvent.ACTIVATED:
            self._placement.activate(gate, present, commanded=applied.number > 0)
        elif events & GateEvent.FOUND:
            self._placement.settle(gate, present)
        if events & GateEvent.TAKEN_BACK:
            gate.not_taken()
        if events & GateEvent.LATCHED:
            gate.stop()
        if events & GateEvent.DISTRUSTED:  # the joints are those of the recording: the replay judges no motion
            gate.distrust((applied.reasons & Reason.MOTION) != 0)
        elapsed_ns = self._setup.period_ns if self._setup.lockstep else applied.elapsed_ns
        requested = self._map.to_command(outcome.actions)
        return gate.apply(requested, (outcome.validity != NONE)[self._slots], present, elapsed_ns)

    def _difference(self, tick: int, found: Applied, applied: Applied) -> Place | None:
        for name in ("applied", "reasons"):
            mine, theirs = getattr(found, name), getattr(applied, name)
            bits = np.dtype(f"u{mine.itemsize}")
            wrong = np.flatnonzero(mine.view(bits) != theirs.view(bits))
            if wrong.size:
                joint = int(wrong[0])
                return {"tick": tick, "slot": int(self._slots[joint]), "field": f"applied.{name}",
                        "joint": self._names[joint]}
        for name in ("stopped", "elapsed_ns", "blend", "events"):
            if getattr(found, name) != getattr(applied, name):
                return {"tick": tick, "slot": -1, "field": f"applied.{name}", "joint": ""}
        return None


def replay_gate(recording: Recording, manifest: Manifest, key: KeyOf, margin_ns: int) -> GateReport:
    """Return the report of running the recorded gate again. `key` returns the tick and source of a message."""
    report = GateReport()
    if (data := recording.facts.get("gate")) is None:
        first = next(recording.messages(("applied",)), None)
        if first is not None:
            older = cdr.decode(first[1].type, first[1].data).number is None
            report.reason = OLDER if older else UNLIMITED
        return report
    gate = GateReplay(GateSetup.from_dict(data), manifest)
    for name, observed, message in _in_order(recording, key, margin_ns):
        fields = cdr.decode(message.type, message.data)
        if fields.number is None:
            return GateReport(OLDER)
        signals = None if observed is None else cdr.decode(observed.type, observed.data).signals
        if signals is not None:
            _check_size("observation, signals", signals, manifest.layout.signal_count)
        again, place = gate.follow(_outcome(fields, manifest), signals)
        time_ns = message.time_ns if observed is None else observed.time_ns
        if not recording.covers(time_ns):
            continue
        report.commands += again
        report.unknown += not again
        if place is not None:
            report.differing += 1
            report.differences.setdefault(name, (time_ns, place))
    return report


def _in_order(recording: Recording, key: KeyOf, margin_ns: int) -> Iterator[tuple[Key, Message | None, Message]]:
    """Yield each command in the order of the gate, after the observation of its tick, which may stand anywhere."""
    order = [name for topic, message in recording.messages(("applied",), margin_ns=margin_ns)
             if (name := key(topic, message)) is not None]
    ticks: Ticks[Key] = Ticks(lambda: recording.messages(("observation", "applied"), margin_ns=margin_ns), key)
    waiting: dict[Key, tuple[Message | None, deque[Message]]] = {}
    due = iter(order)
    wanted: Key | None = next(due, None)
    for name, said in ticks:
        observed, commands = _sort(said)
        if commands:
            waiting[name] = observed, commands
        while wanted is not None and wanted in waiting:
            observed, commands = waiting[wanted]
            yield wanted, observed, commands.popleft()
            if not commands:
                del waiting[wanted]
            wanted = next(due, None)


def _sort(said: Said) -> tuple[Message | None, deque[Message]]:
    observed = [message for topic, message in said if topic == "observation"]
    return observed[-1] if observed else None, deque(message for topic, message in said if topic == "applied")


def _outcome(fields: SimpleNamespace, manifest: Manifest) -> Outcome:
    """Return the outcome of a message; refuse one of other sizes than the policy's."""
    network = manifest.network
    for name in ("requested", "applied", "reasons"):
        _check_size(f"applied, {name}", getattr(fields, name), len(manifest.joints))
    _check_size("applied, validity", fields.validity, network.agents)
    applied = Applied(fields.requested, fields.applied, fields.reasons, fields.stopped, fields.number,
                      fields.elapsed_ns, fields.blend, fields.events)
    return Outcome(fields.tick, ns_of(fields.source_stamp),
                   rows(fields.actions, network.agents, network.act_dim, "applied, actions"), fields.validity, applied,
                   latency_ns=0)


def _check_size(what: str, values: NDArray[Any], size: int) -> None:
    if len(values) != size:
        raise Refused(what, f"{size} values", len(values), "record it anew")
