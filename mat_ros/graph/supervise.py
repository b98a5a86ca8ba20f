# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Supervise the nodes of a graph: activate them once all run the same policy, and list nodes that stop reporting."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mat_ros.core.wire.seal import SECRET

# Roles that are activated after all others, in this order. The node that measures comes last: it starts the ticks.
LAST_ROLES = ("safety", "observer", "sim")
ON_DISK = "stop_on_disk"  # name in a report: the node reads a latched stop from the disk when it starts
MOST = 2**53  # greatest count that is taken from a report
NAMED = 6  # largest number of nodes that one line names
UNREPORTED = "no message yet"  # reason of a node of which no message has arrived
# Counts of the safety node, and the reason for a degraded chain where the count grows.
GROWING = {"missed": "ticks missed", "redecided": "ticks redecided", "unheard": "periods without an observation",
           "unwritten": "commands that the adapter did not write"}
SOUND = 5  # seconds without trouble after which the log calls a degraded graph running again
RETRY_NS = 1_000_000_000  # time before a transition is requested again
HUNG_NS = 5_000_000_000  # longest time without a report of an active node; then the node hangs and has to be ended
ASLEEP_NS = 1_000_000_000  # longest time between two searches for hung nodes; then the supervisor itself did not run
# A node that starts for the first time gets this longer time to answer: it cannot have missed the request, and an
# active node logs an error for a second request.
ANSWER_NS = 10_000_000_000
LOST_NS = 300_000_000  # the same for a restarted node: the request may have gone to its dead predecessor


class Mode(enum.IntEnum):
    """Name the mode of the graph."""

    WAITING = 0  # inputs or nodes are missing
    RUNNING = 1  # every slot is decided by its own node
    DEGRADED = 2  # some slots are redecided or their joints are on their fallback
    STOPPED = 3  # a stop is latched


@dataclass
class Member:
    """Hold the reports of one node, and the requests to it."""

    role: str = ""
    digest: str = ""
    pid: int = 0
    backend: str = ""  # name and version; empty where the node runs no policy
    first_slot: int = 0
    stop_slot: int = 0
    connected: bool = False  # all other ends of its topics are connected
    heard_ns: int = 0  # time of the last message of the node
    reported: bool = False  # the node has reported whether it is active
    asked_ns: int | None = None  # time of the last request for activation, or of its answer
    pending: bool = False  # the request for activation is not answered
    restarted: bool = False
    active: bool = False
    reason: str = UNREPORTED
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Status:
    """Hold the mode of the graph, the reason, and the nodes that do not report."""

    mode: Mode
    reason: str  # reason for a mode other than RUNNING; empty in RUNNING
    silent: tuple[str, ...]  # nodes that have stopped reporting


class Supervision:
    """Select the nodes to activate next, and compute the state of the graph."""

    def __init__(self, names: Sequence[str], digest: str, silence_ns: int) -> None:
        self.members = {name: Member() for name in names}
        self._digest = digest
        self._backend = ""  # of every node that runs the policy, from the start of the graph on
        self._silence_ns = silence_ns
        self._strangers: set[str] = set()  # names under which nodes of other launches have reported
        self._searched_ns = self._awake_ns = 0  # the last search for hung nodes; since when the supervisor runs
        self.begun = False  # all nodes were ready at the same time once
        self._before: Mapping[str, int] = {}
        self._stopped = False  # a stop is latched; the stop outlives the node that latched it

    def on_descriptor(self, name: str, role: str, digest: str, pid: int, slots: tuple[int, int], connected: bool,
                      now_ns: int, backend: str = "") -> None:
        """Take the descriptor of a node; a new process of the same name has to be activated again."""
        member = self.members.get(name)
        if member is None:
            return
        if member.pid and pid != member.pid:
            member.active, member.asked_ns, member.pending, member.restarted = False, None, False, True
        member.role, member.digest, member.pid, member.heard_ns = role, digest, pid, now_ns
        (member.first_slot, member.stop_slot), member.connected, member.backend = slots, connected, backend
        member.reason = "" if member.reason == UNREPORTED else member.reason

    def on_stranger(self, name: str) -> None:
        """Take the name of a node whose descriptor bears the tag of another launch."""
        if name in self.members:
            self._strangers.add(name)

    def on_report(self, name: str, active: bool, reason: str, values: Mapping[str, str], now_ns: int) -> None:
        """Take the report of a node."""
        member = self.members.get(name)
        if member is None:
            return
        if not active and member.active and member.asked_ns is not None and now_ns - member.asked_ns < RETRY_NS:
            active = True  # the node sent this report before it answered the request
        member.active, member.reason, member.values, member.heard_ns = active, reason, values, now_ns
        member.reported = True
        if member.role == "safety" and active and values.get("stopped"):
            self._stopped = values["stopped"] == "True"

    def to_activate(self, now_ns: int, reachable: Callable[[str], bool] = lambda name: True) -> list[str]:
        """Return the names of the nodes to activate now; one stage at a time becomes active.

        `reachable` tells whether a request to a node would arrive.
        """
        if not self.begun:
            if self.refusal(now_ns):
                return []
            self.begun = True
            self._backend = next((m.backend for m in self.members.values() if m.backend), "")
        ready = {name: m for name, m in self.members.items()
                 if m.digest == self._digest and m.backend in ("", self._backend)}
        stages: dict[int, list[str]] = {}
        for name, member in ready.items():
            # A gate that reads the stop from the disk holds the robot, and an operator needs it to resume the robot.
            if not member.active and not (self._stopped and member.role == "safety" and not _keeps_stops(member)):
                stage = LAST_ROLES.index(member.role) + 1 if member.role in LAST_ROLES else 0
                stages.setdefault(stage, []).append(name)
        if not stages:
            return []
        due = [name for name in stages[min(stages)] if self._is_due(self.members[name], now_ns) and reachable(name)]
        for name in due:
            self.members[name].asked_ns, self.members[name].pending = now_ns, True
        return due

    def answered(self, name: str, active: bool, now_ns: int) -> None:
        """Take the answer of a node to a request for activation."""
        member = self.members[name]
        member.active, member.asked_ns, member.pending = active or member.active, now_ns, False

    @staticmethod
    def _is_due(member: Member, now_ns: int) -> bool:
        if member.asked_ns is None:
            return True
        if member.pending:
            return now_ns - member.asked_ns >= (LOST_NS if member.restarted else ANSWER_NS)
        return now_ns - member.asked_ns >= RETRY_NS

    def refusal(self, now_ns: int) -> str:
        """Return why the graph may not start; empty when the graph may start."""
        absent = [name for name, member in self.members.items() if not member.digest]
        others = [f"{name} ({member.digest[:16]})" for name, member in self.members.items()
                  if member.digest and member.digest != self._digest]
        if others:
            return (f"policy: expected {self._digest[:16]} in every node, got {', '.join(others)}; "
                    "start all nodes with the same bundle")
        if absent:
            troubles = [f"{name}: {self.members[name].reason}" for name in absent
                        if self.members[name].reason not in ("", UNREPORTED, "not configured")]
            if strangers := [name for name in absent if name in self._strangers]:
                troubles.append(f"{_named(strangers)}: expected a node of this launch, got one with another secret; "
                                f"give the launches of all hosts the same {SECRET}")
            return "; ".join(troubles) or f"waiting for {_named(absent)}"
        if mixed := self._mixed_backends():
            return mixed
        if lonely := [name for name, member in self.members.items() if not member.connected]:
            return f"waiting until all topics of {_named(lonely)} are connected"
        # A restarted supervisor finds active nodes, and must not request their activation again.
        if unreported := [name for name, member in self.members.items() if not member.reported]:
            return f"waiting for a first report of {_named(unreported)}"
        return ""

    def _mixed_backends(self) -> str:
        """Return a refusal of nodes with different backends, whose decisions would differ in bits; empty for one."""
        nodes: dict[str, list[str]] = {}
        for name, member in self.members.items():
            if member.backend:
                nodes.setdefault(member.backend, []).append(name)
        if len(nodes) < 2:
            return ""
        found = "; ".join(f"{backend} in {_named(names)}" for backend, names in nodes.items())
        return f"backend: expected one in every node, got {found}; start all hosts with the same backend:=..."

    def silent(self, now_ns: int) -> tuple[str, ...]:
        """Return the names of the nodes whose last report is too old."""
        return tuple(name for name, member in self.members.items() if now_ns - member.heard_ns > self._silence_ns)

    def hung(self, now_ns: int) -> tuple[str, ...]:
        """Return the names of the active nodes that have been silent for so long that they hang.

        Call this more often than once a second. Where the supervisor itself did not run for a while, the reports of
        that time may still be waiting, and every node gets the whole time anew.
        """
        if now_ns - self._searched_ns > ASLEEP_NS:
            self._awake_ns = now_ns
        self._searched_ns = now_ns
        return tuple(name for name, member in self.members.items()
                     if member.active and now_ns - max(member.heard_ns, self._awake_ns) > HUNG_NS)

    def on_end(self, name: str, now_ns: int) -> None:
        """Note that a hung node was ended; its successor gets the time to start."""
        self.members[name].heard_ns = now_ns

    def status(self, now_ns: int) -> Status:
        """Return the state of the graph. Call once a second: counts are compared with those of the last call."""
        silent = self.silent(now_ns)
        if not self.begun:
            return Status(Mode.WAITING, self.refusal(now_ns), silent)
        now = {name: self.count("safety", name) for name in GROWING}
        grown = [name for name, count in now.items() if count > self._before.get(name, 0)]
        self._before = now
        if self._stopped:
            kept = any(member.role == "safety" and _keeps_stops(member) for member in self.members.values())
            latched = ("a stop is latched; look at the robot, then run `mat-ros resume`" if kept
                       else "a stop is latched until the graph is started again")
            return Status(Mode.STOPPED, "; ".join([latched, *self._troubles()]), silent)
        inactive = [name for name, member in self.members.items() if not member.active]
        if not now["missed"] and not self.count("safety", "ticks"):
            awaited = f"waiting for {_named(inactive)}" if inactive else "waiting for the first tick"
            return Status(Mode.WAITING, "; ".join([awaited, *self._troubles()]), silent)
        troubles = [f"no report from {', '.join(silent)}"] if silent else []
        troubles += [f"{name}: {member.reason}" for name, member in self.members.items()
                     if member.active and member.reason]
        troubles += [f"{name}: expected the backend {self._backend}, got {member.backend}"
                     for name, member in self.members.items() if member.backend not in ("", self._backend)]
        late = self._deciding(self.value("safety", "silent_slots"))
        whose = {"redecided": f" for {_named(late)}"} if late else {}
        troubles += [f"{GROWING[name]}{whose.get(name, '')}" for name in grown]
        return Status(Mode.DEGRADED if troubles else Mode.RUNNING, "; ".join(troubles), silent)

    def _troubles(self) -> list[str]:
        """Return the reason of each node that does not do its work, as `name: reason`."""
        return [f"{name}: {member.reason}" for name, member in self.members.items() if member.reason]

    def _deciding(self, slots: str) -> list[str]:
        """Return the names of the nodes that decide any of the slots, which are written as in 3,4."""
        wanted = set(slots.split(","))
        return [name for name, member in self.members.items()
                if not wanted.isdisjoint(map(str, range(member.first_slot, member.stop_slot)))]

    def value(self, role: str, name: str) -> str:
        """Return a value that the node of a role has reported; empty when it has not reported the value."""
        return next((m.values.get(name, "") for m in self.members.values() if m.role == role), "")

    def number(self, role: str, name: str) -> float:
        """Return a number that the node of a role has reported; 0 when it has reported none."""
        return _number(self.value(role, name))

    def count(self, role: str, name: str) -> int:
        """Return a count that the node of a role has reported; 0 when it has reported none."""
        return int(self.number(role, name))

    def total(self, name: str) -> int:
        """Return the sum of a count over all nodes."""
        return min(sum(int(_number(member.values.get(name, ""))) for member in self.members.values()), MOST)


class ModeLog:
    """Choose the changes of the mode that the log states.

    A busy machine misses a tick now and then. The log states this once, and not in each second of it.
    """

    def __init__(self) -> None:
        self._stated = Mode.WAITING
        self._sound = 0  # calls in a row with a graph that runs

    def states(self, mode: Mode) -> bool:
        """Return whether the log states this mode; call once a second."""
        self._sound = self._sound + 1 if mode == Mode.RUNNING else 0
        settling = self._stated == Mode.DEGRADED and mode == Mode.RUNNING and self._sound < SOUND
        if mode == self._stated or settling:
            return False
        self._stated = mode
        return True


def _keeps_stops(member: Member) -> bool:
    """Return whether a stop of this safety node outlives it on disk."""
    return member.values.get(ON_DISK) == "True"


def _number(text: str) -> float:
    """Return the number of a report. Reports come over `/diagnostics`, to which any program may write anything."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if 0.0 <= number <= MOST else 0.0


def _named(nodes: Sequence[str]) -> str:
    """Return the names of nodes in one line; a long list is cut to its first names, so that the line stays readable."""
    shown = nodes if len(nodes) <= NAMED else [*nodes[:NAMED - 1], f"{len(nodes) - NAMED + 1} more"]
    return ", ".join(shown)
