# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Accept or deny requests for faults, and keep each fault active for as long as the injector renews it.

The module holds the two ends of one contract. The injector owns `Requests`, which answers requests and removes expired
faults. Each process that applies faults (the simulated robot, the receiver of a message) owns a `Lease`. The lease
turns the injector's repeated messages into a schedule. The lease drops every fault when the messages stop.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from mat_ros.core.errors import Refused
from mat_ros.core.faults.schedule import KINDS, Fault, Schedule, Targets

NAMED = 12  # largest number of targets that a refusal lists


class Answer(enum.IntEnum):
    """Name the answer to a request, as in InjectFault.srv."""

    ACCEPTED = 0
    DENIED = 1
    UNSUPPORTED = 2


@dataclass(frozen=True)
class Request:
    """Hold an accepted fault, which is active from the request on."""

    fault: Fault  # `fault.start` counts from the request
    until_ns: int | None  # None: until cleared

    @property
    def ticks(self) -> int:
        """Return the duration of the fault in ticks; 0: until cleared."""
        return 0 if self.fault.end is None else self.fault.end - self.fault.start


class Requests:
    """Answer the requests to an injector, and store the active ones."""

    def __init__(self, targets: Targets, supported: Sequence[str], enabled: bool, period_ns: int) -> None:
        self.targets, self.supported, self.enabled = targets, tuple(supported), enabled
        self._period_ns = period_ns
        self.active: dict[str, Request] = {}  # accepted requests by id of the fault

    def ask(self, id_: str, level: str, kind: str, target: str, severity: float, duration_s: float, now_ns: int
            ) -> tuple[Answer, str, list[Fault]]:
        """Return the answer to a request, a text, and the new faults.

        A pattern may select several targets. Each target becomes a fault of its own.
        """
        if not self.enabled:
            return Answer.DENIED, "expected a graph with inject:=true, got one without; start it with inject:=true", []
        if (level, kind) not in KINDS:
            known = ", ".join(f"{a}:{b}" for a, b in KINDS)
            return Answer.DENIED, f"expected one of {known}, got {level}:{kind}; choose one of them", []
        if level not in self.supported:
            return (Answer.UNSUPPORTED,
                    f"expected one of the levels {', '.join(self.supported) or 'nothing'} of this graph, got {level}; "
                    "choose one of them", [])
        names = self.targets.matching(level, target)
        if not names:
            known = ", ".join(getattr(self.targets, level)[:NAMED])
            more = len(getattr(self.targets, level)) - NAMED
            return (Answer.DENIED, f"expected one of the {level}s {known}{f' and {more} more' if more > 0 else ''}, "
                    f"got {target}; `mat-ros faults list --policy ...` lists all", [])
        if not id_ or any(known == id_ or known.startswith(f"{id_}/") for known in self.active):
            return Answer.DENIED, f"expected an id that is not in use, got {id_!r}; clear it or choose another id", []
        if math.isnan(duration_s) or duration_s <= 0.0:
            return Answer.DENIED, f"expected a positive duration or infinity, got {duration_s}; correct it", []
        strength = KINDS[level, kind].default if math.isnan(severity) else severity
        end = None if math.isinf(duration_s) else max(1, round(duration_s * 1e9 / self._period_ns))
        try:
            made = [Fault(id_ if len(names) == 1 else f"{id_}/{name}", level, kind, name, strength, 0, end)
                    for name in names]
            # All faults start at 0 and have no end here, so the schedule refuses a second fault on the same target.
            Schedule(0, [replace(r.fault, start=0, end=None) for r in self.active.values()]
                     + [replace(fault, end=None) for fault in made])
        except Refused as error:
            return Answer.DENIED, str(error), []
        until = None if end is None else now_ns + end * self._period_ns
        self.active |= {fault.id: Request(fault, until) for fault in made}
        return Answer.ACCEPTED, "", made

    def clear(self, pattern: str) -> list[Fault]:
        """Remove the faults whose ids match a pattern, and return them."""
        chosen = [id_ for id_ in self.active if fnmatchcase(id_, pattern)]
        return [self.active.pop(id_).fault for id_ in chosen]

    def expire(self, now_ns: int) -> list[Fault]:
        """Remove the faults whose duration is over, and return them."""
        over = [id_ for id_, request in self.active.items() if request.until_ns is not None
                and now_ns >= request.until_ns]
        return [self.active.pop(id_).fault for id_ in over]


class Lease:
    """Hold the faults that an injector has listed. The injector has to repeat the list before the lease ends."""

    def __init__(self, levels: Sequence[str], targets: Targets) -> None:
        self._levels, self._targets = tuple(levels), targets
        self._faults: dict[str, Fault] = {}
        self._until_ns = 0
        self._seed = 0
        self._made: Schedule | None = None

    def renew(self, seed: int, ids: Sequence[str], levels: Sequence[str], kinds: Sequence[str], targets: Sequence[str],
              severities: Sequence[float], ticks: Sequence[int], lease_ms: int, tick: int, now_ns: int) -> None:
        """Replace the faults by the injector's list. An invalid list is refused and changes nothing."""
        if len({len(x) for x in (ids, levels, kinds, targets, severities, ticks)}) != 1 or len(set(ids)) != len(ids):
            raise Refused("injection", "lists of one length with distinct ids", [len(ids), len(kinds)],
                          "drop the injection")
        wanted: dict[str, Fault] = {}
        for id_, level, kind, target, severity, lasts in zip(ids, levels, kinds, targets, severities, ticks,
                                                             strict=True):
            if level not in self._levels:
                continue
            if target not in getattr(self._targets, level):
                raise Refused(f"injection of {id_}", f"a known {level}", target, "drop the injection")
            known = self._faults.get(id_)
            start = known.start if known is not None else tick
            wanted[id_] = Fault(id_, level, kind, target, float(severity), start, start + int(lasts) if lasts else None)
        if wanted != self._faults or seed != self._seed:
            self._made = None
        self._faults, self._seed, self._until_ns = wanted, seed, now_ns + lease_ms * 1_000_000

    def restart(self) -> None:
        """Count ticks from zero again. Active faults stay active from the first tick on."""
        self._faults = {id_: replace(fault, start=0, end=None if fault.end is None else fault.end - fault.start)
                        for id_, fault in self._faults.items()}
        self._made = None

    def schedule(self, now_ns: int, planned: Sequence[Fault] = ()) -> Schedule | None:
        """Return the schedule of the planned faults and the present ones; None where the lease holds no fault.

        The method returns the same object until something changes. The schedule omits a fault that overlaps a planned
        one.
        """
        if self._faults and now_ns >= self._until_ns:
            self._faults, self._made = {}, None
        if not self._faults:
            return None
        if self._made is None:
            free = [f for f in self._faults.values() if not any(f.overlaps(other) for other in planned)]
            self._made = Schedule(self._seed, [*planned, *free])
        return self._made
