# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Watch over the nodes of a graph: activate nobody before all are there and agree, and notice who falls silent."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# Who waits for whom: what decides is active before what guards, and what measures comes last and starts the ticks.
LAST_ROLES = ("safety", "observer", "sim")
NAMED = 6  # nodes that a line names
RETRY_NS = 1_000_000_000  # before a transition is asked for again
# A node that starts for the first time and was asked is given longer: it cannot have missed the request, and one that
# is asked again when it is active logs an error. That of a restarted node may have gone to its dead predecessor.
ANSWER_NS = 10_000_000_000


class Mode(enum.IntEnum):
    """How the chain is doing."""

    WAITING = 0  # inputs or nodes are missing
    RUNNING = 1  # every slot decides for itself
    DEGRADED = 2  # some slots are redecided or on their fallback
    STOPPED = 3  # a stop is latched


@dataclass
class Member:
    """What is known of one node."""

    role: str = ""
    digest: str = ""
    pid: int = 0
    first_slot: int = 0
    stop_slot: int = 0
    connected: bool = False  # its topics have all their other ends
    heard_ns: int = 0  # when it last reported
    reported: bool = False  # its own word on whether it is active has been heard
    asked_ns: int | None = None  # when it was last asked to become active, or has answered
    pending: bool = False  # it was asked and has not answered
    restarted: bool = False
    active: bool = False
    reason: str = "not heard yet"
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Status:
    """The graph at a glance."""

    mode: Mode
    reason: str  # why it is not running; empty when it is
    silent: tuple[str, ...]  # nodes that are not heard


class Supervision:
    """Decide which node to activate next, and say how the graph is doing."""

    def __init__(self, names: Sequence[str], digest: str, silence_ns: int) -> None:
        self.members = {name: Member() for name in names}
        self._digest = digest
        self._silence_ns = silence_ns
        self.begun = False  # every node has been there at once
        self._before: Mapping[str, int] = {}
        self._stopped = False  # a stop is latched; it outlives the node that latched it

    def on_descriptor(self, name: str, role: str, digest: str, pid: int, slots: tuple[int, int], connected: bool,
                      now_ns: int) -> None:
        """Hear what a node is; a new process of the same name begins anew."""
        member = self.members.get(name)
        if member is None:
            return
        if member.pid and pid != member.pid:
            member.active, member.asked_ns, member.pending, member.restarted = False, None, False, True
        member.role, member.digest, member.pid, member.heard_ns = role, digest, pid, now_ns
        (member.first_slot, member.stop_slot), member.connected = slots, connected
        member.reason = "" if member.reason == "not heard yet" else member.reason

    def on_report(self, name: str, active: bool, reason: str, values: Mapping[str, str], now_ns: int) -> None:
        """Hear how a node is doing."""
        member = self.members.get(name)
        if member is None:
            return
        if not active and member.active and member.asked_ns is not None and now_ns - member.asked_ns < RETRY_NS:
            active = True  # told before it answered
        member.active, member.reason, member.values, member.heard_ns = active, reason, values, now_ns
        member.reported = True
        if member.role == "safety" and active and values.get("stopped"):
            self._stopped = values["stopped"] == "True"

    def to_activate(self, now_ns: int) -> list[str]:
        """Name the nodes that are to become active now, those of one stage at a time."""
        if not self.begun:
            if self.refusal(now_ns):
                return []
            self.begun = True
        ready = {name: m for name, m in self.members.items() if m.digest == self._digest}
        stages: dict[int, list[str]] = {}
        for name, member in ready.items():
            if not member.active and not (self._stopped and member.role == "safety"):
                stage = LAST_ROLES.index(member.role) + 1 if member.role in LAST_ROLES else 0
                stages.setdefault(stage, []).append(name)
        if not stages:
            return []
        due = [name for name in stages[min(stages)] if self._is_due(self.members[name], now_ns)]
        for name in due:
            self.members[name].asked_ns, self.members[name].pending = now_ns, True
        return due

    def answered(self, name: str, active: bool, now_ns: int) -> None:
        """Hear whether a node that was asked has become active."""
        member = self.members[name]
        member.active, member.asked_ns, member.pending = active or member.active, now_ns, False

    @staticmethod
    def _is_due(member: Member, now_ns: int) -> bool:
        if member.asked_ns is None:
            return True
        return now_ns - member.asked_ns >= (ANSWER_NS if member.pending and not member.restarted else RETRY_NS)

    def refusal(self, now_ns: int) -> str:
        """Return why the graph may not start; empty where it may."""
        absent = [name for name, member in self.members.items() if not member.digest]
        others = [f"{name} ({member.digest[:16]})" for name, member in self.members.items()
                  if member.digest and member.digest != self._digest]
        if others:
            return (f"policy: expected {self._digest[:16]} in every node, got {', '.join(others)}; "
                    "start all nodes with the same bundle")
        if absent:
            troubles = [f"{name}: {self.members[name].reason}" for name in absent
                        if self.members[name].reason not in ("", "not heard yet", "not configured")]
            return "; ".join(troubles) or f"waiting for {_named(absent)}"
        if lonely := [name for name, member in self.members.items() if not member.connected]:
            return f"waiting until all topics of {_named(lonely)} are connected"
        # A supervisor that was started again finds nodes at work, and must not ask them to begin.
        if unheard := [name for name, member in self.members.items() if not member.reported]:
            return f"waiting for a first report of {_named(unheard)}"
        return ""

    def silent(self, now_ns: int) -> tuple[str, ...]:
        """Name the nodes that have not reported for too long."""
        return tuple(name for name, member in self.members.items() if now_ns - member.heard_ns > self._silence_ns)

    def status(self, now_ns: int) -> Status:
        """Return how the graph is doing; called once a second."""
        silent = self.silent(now_ns)
        if not self.begun:
            return Status(Mode.WAITING, self.refusal(now_ns), silent)
        now = {name: int(self.value("safety", name) or 0) for name in ("missed", "redecided", "unheard", "unwritten")}
        grown = [name for name, count in now.items() if count > self._before.get(name, 0)]
        self._before = now
        if self._stopped:
            latched = "a stop is latched until the graph is started again"
            return Status(Mode.STOPPED, "; ".join([latched, *self._troubles()]), silent)
        inactive = [name for name, member in self.members.items() if not member.active]
        if not now["missed"] and not self.value("safety", "ticks"):
            awaited = f"waiting for {_named(inactive)}" if inactive else "waiting for the first tick"
            return Status(Mode.WAITING, "; ".join([awaited, *self._troubles()]), silent)
        troubles = [f"{', '.join(silent)} silent"] if silent else []
        late = self._deciding(self.value("safety", "silent_slots"))
        whose = {"redecided": f" for {_named(late)}"} if late else {}
        troubles += [f"ticks {name}{whose.get(name, '')}" for name in grown]
        return Status(Mode.DEGRADED if troubles else Mode.RUNNING, "; ".join(troubles), silent)

    def _troubles(self) -> list[str]:
        """Say of each node that has a reason not to do its work which it is."""
        return [f"{name}: {member.reason}" for name, member in self.members.items() if member.reason]

    def _deciding(self, slots: str) -> list[str]:
        """Name the nodes that decide any of some slots, as in 3,4."""
        wanted = {int(slot) for slot in slots.split(",") if slot}
        return [name for name, member in self.members.items()
                if not wanted.isdisjoint(range(member.first_slot, member.stop_slot))]

    def value(self, role: str, name: str) -> str:
        """Return a value that the node of a role has reported; empty where it has not."""
        return next((m.values.get(name, "") for m in self.members.values() if m.role == role), "")

    def total(self, name: str) -> int:
        """Sum a count over all nodes."""
        return sum(int(member.values.get(name, 0)) for member in self.members.values())


def _named(nodes: Sequence[str]) -> str:
    """Name nodes, of many the first only: a line has to be read."""
    shown = nodes if len(nodes) <= NAMED else [*nodes[:NAMED - 1], f"{len(nodes) - NAMED + 1} more"]
    return ", ".join(shown)
