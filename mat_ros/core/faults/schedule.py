# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define faults, their times and their severities. A schedule means the same in training, simulation and live graph."""

from __future__ import annotations

import bisect
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mat_ros.core import randomness
from mat_ros.core.errors import Refused


@dataclass(frozen=True)
class Kind:
    """Describe a kind of fault, the meaning of its severity, and the range of the severity."""

    level: str  # "actuator", "sensor", "message", "node"
    name: str
    meaning: str
    severity: str = ""  # meaning of the severity; empty: the kind has no severity
    unit: str = "1"
    lower: float = 0.0  # least severity; a least severity of zero is itself excluded
    upper: float = 1.0
    default: float = 1.0


KINDS: Mapping[tuple[str, str], Kind] = {(kind.level, kind.name): kind for kind in (
    Kind("actuator", "off", "gives no effort and swings freely"),
    Kind("actuator", "stuck", "stays where it was when the fault began"),
    Kind("actuator", "weak", "gives less effort", "share of the effort that is lost", default=0.5),
    Kind("actuator", "slow", "follows commands late", "share of the last command kept in each tick",
         default=0.5),
    Kind("actuator", "delayed", "obeys old commands", "age of the commands", "ticks", 1.0, 64.0, 1.0),
    Kind("actuator", "wrong", "moves the wrong way", "share mirrored about the middle of the range; 1 is a sign flip"),
    Kind("sensor", "stuck", "repeats the reading of the moment the fault began"),
    Kind("sensor", "offset", "reads too much or too little", "the difference", "of the sensor", -math.inf, math.inf,
         0.1),
    Kind("sensor", "noise", "adds normal noise", "its standard deviation", "of the sensor", 0.0, math.inf, 0.05),
    Kind("sensor", "dropout", "repeats its last reading now and then", "probability in each tick",
         default=0.5),
    Kind("sensor", "delayed", "reads the past", "age of the readings", "ticks", 1.0, 64.0, 1.0),
    Kind("message", "drop", "is lost now and then", "probability", default=0.1),
    Kind("message", "delay", "arrives late", "the delay", "ms", 0.0, 10_000.0, 5.0),
    Kind("message", "duplicate", "arrives twice now and then", "probability", default=0.1),
    Kind("message", "reorder", "is overtaken by its successor now and then", "probability", default=0.1),
    Kind("node", "crash", "is killed and stays dead"),
    Kind("node", "hang", "stops running but keeps its place"),
    Kind("node", "restart", "is killed and started again at once"),
)}
LEVELS = tuple(dict.fromkeys(level for level, _ in KINDS))


@dataclass(frozen=True)
class Targets:
    """List the names that can break, by level. A plan that names anything else is refused."""

    actuator: tuple[str, ...] = ()  # joint names
    sensor: tuple[str, ...] = ()  # "term/element"
    message: tuple[str, ...] = ()  # "sender->receiver"
    node: tuple[str, ...] = ()  # node names

    def matching(self, level: str, pattern: str) -> tuple[str, ...]:
        """Return the names of a level that a shell pattern selects."""
        return tuple(name for name in getattr(self, level) if fnmatchcase(name, pattern))


@dataclass(frozen=True)
class Fault:
    """Describe one fault of one target over a range of ticks."""

    id: str
    level: str
    kind: str
    target: str
    severity: float
    start: int  # first tick
    end: int | None = None  # first tick after the fault; None: the fault stays

    def __post_init__(self) -> None:
        """Refuse an unknown kind, a severity out of range, a negative start, or an end before the start."""
        kind = KINDS.get((self.level, self.kind))
        if kind is None:
            raise Refused(f"fault {self.id}", f"one of {[f'{level}: {name}' for level, name in KINDS]}",
                          f"{self.level}: {self.kind}", "choose one of them")
        if not kind.severity and self.severity != 1.0:
            raise Refused(f"fault {self.id}, severity", f"none, since {self.kind} has no degrees", self.severity,
                          "leave it out")
        if not kind.lower <= self.severity <= kind.upper or (kind.lower == 0.0 and self.severity == 0.0):
            raise Refused(f"fault {self.id}, severity", f"{kind.severity} in [{kind.lower}, {kind.upper}]",
                          self.severity, "give a severity in this range")
        if self.start < 0 or (self.end is not None and self.end <= self.start):
            raise Refused(f"fault {self.id}, time", "0 <= start < end", f"ticks {self.start} to {self.end}",
                          "give a start of at least 0 and a positive duration")

    def active(self, tick: int) -> bool:
        """Return whether the fault is active in this tick."""
        return self.start <= tick and (self.end is None or tick < self.end)

    def overlaps(self, other: Fault) -> bool:
        """Return whether both faults break the same target at the same time."""
        same = (self.level, self.target) == (other.level, other.target)
        return same and self.start < (other.end or math.inf) and other.start < (self.end or math.inf)


def followed_share(fault: Fault) -> float:
    """Return the share of an intended action that a broken motor performs. A motor that is only late performs all."""
    if fault.kind in ("off", "stuck"):
        return 0.0
    if fault.kind == "weak":
        return 1.0 - fault.severity
    return 1.0 - 2.0 * fault.severity if fault.kind == "wrong" else 1.0


class Schedule:
    """Hold the faults of one episode, and draw their random numbers."""

    def __init__(self, seed: int, faults: Sequence[Fault] = ()) -> None:
        self.seed = seed
        self.faults = tuple(faults)
        for k, fault in enumerate(self.faults):
            for earlier in self.faults[:k]:
                if earlier.id == fault.id:
                    raise Refused("schedule", "distinct fault ids", f"{fault.id} twice", "rename one")
                if earlier.overlaps(fault):
                    raise Refused(f"fault {fault.id}", f"no other fault of {fault.target} from tick {fault.start} on",
                                  f"fault {earlier.id} at the same time", "move or remove one of them")
        self._keys = {fault.id: randomness.stream(seed, f"fault/{fault.id}") for fault in self.faults}
        self._edges = sorted({0, *(f.start for f in self.faults), *(f.end for f in self.faults if f.end is not None)})
        self._active = [tuple(f for f in self.faults if f.active(edge)) for edge in self._edges]

    def active(self, tick: int) -> tuple[Fault, ...]:
        """Return the active faults of a tick, in the order of the schedule."""
        return self._active[bisect.bisect_right(self._edges, tick) - 1]

    def uniform(self, fault: Fault, tick: int, size: int = 1) -> NDArray[np.float64]:
        """Return the uniform random numbers (size,) of a fault in a tick."""
        return randomness.uniform(self._keys[fault.id], tick, size)

    def normal(self, fault: Fault, tick: int, size: int = 1) -> NDArray[np.float64]:
        """Return the standard normal random numbers (size,) of a fault in a tick."""
        return randomness.normal(self._keys[fault.id], tick, size)

    def trace(self, ticks: int) -> Iterator[str]:
        """Return one line for each tick and active fault. The line includes the fault's random number."""
        for tick in range(ticks):
            for fault in self.active(tick):
                draw = float(self.uniform(fault, tick)[0])
                yield (f"{tick} {fault.id} {fault.level} {fault.kind} {fault.target} "
                       f"{fault.severity.hex()} {draw.hex()}")

    def trace_hash(self, ticks: int) -> str:
        """Return the hash of the trace. Equal hashes mean equal faults with equal random numbers."""
        return hashlib.sha256("\n".join(self.trace(ticks)).encode()).hexdigest()


@dataclass(frozen=True)
class Draw:
    """Describe faults that are drawn anew in each episode."""

    id: str
    level: str
    kind: str
    targets: tuple[str, ...]
    severity: tuple[float, float]  # ends of the uniform range
    start: tuple[int, int]  # ends of the uniform range in ticks, both included
    duration: int | None  # ticks; None: until the end
    count: int = 1  # number of different targets in an episode
    probability: float = 1.0  # probability that the episode has any of these faults

    def faults(self, seed: int, episode: int) -> tuple[Fault, ...]:
        """Return the faults of an episode. The result depends only on seed and episode."""
        key = randomness.stream(seed, f"draw/{self.id}")
        chance, *u = randomness.uniform(key, episode, 1 + len(self.targets) + 2 * self.count)
        if chance >= self.probability:
            return ()
        chosen = np.argsort(u[: len(self.targets)], kind="stable")[: self.count]
        found = []
        for k, place in enumerate(chosen):
            u_severity, u_start = u[len(self.targets) + 2 * k: len(self.targets) + 2 * k + 2]
            low, high = self.severity
            start = self.start[0] + int(u_start * (self.start[1] - self.start[0] + 1))
            end = None if self.duration is None else start + self.duration
            target, severity = self.targets[place], low + float(u_severity) * (high - low)
            found.append(Fault(f"{self.id}/{target}", self.level, self.kind, target, severity, start, end))
        return tuple(found)


@dataclass(frozen=True)
class Plan:
    """Hold the content of a fault file: the faults of every episode, and the draws for each episode."""

    name: str
    seed: int
    faults: tuple[Fault, ...] = ()
    draws: tuple[Draw, ...] = ()

    def schedule(self, episode: int = 0) -> Schedule:
        """Return the schedule of an episode."""
        drawn = [fault for draw in self.draws for fault in draw.faults(self.seed, episode)]
        return Schedule(self.seed if not self.draws else randomness.stream(self.seed, f"episode/{episode}"),
                        (*self.faults, *drawn))


NO_FAULTS = Plan("none", 0)


def fault_kinds() -> list[dict[str, Any]]:
    """Return every kind with its meaning, for the reference page and `mat-ros faults list`."""
    return [{"level": k.level, "kind": k.name, "meaning": k.meaning, "severity": k.severity, "unit": k.unit,
             "range": (k.lower, k.upper), "default": k.default} for k in KINDS.values()]
