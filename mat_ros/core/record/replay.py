# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Decide every recorded tick again and compare the bits: a recording proves what it claims, or names where it does not.

From a recorded observation follow its encodings, every baton, every decision and the request that reached the gate. A
replay computes them centrally with the same backend. Where all of them are the recorded bits, the processes that made
the recording, however many there were and whatever was lost on the way, decided as one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.record import mcap
from mat_ros.core.record.record import FACTS, plain
from mat_ros.core.robot.observe import Observer
from mat_ros.core.tick.collect import NONE
from mat_ros.core.tick.decide import Decider, Sampling
from mat_ros.core.tick.messages import Float32, Override, Prefix, Validity
from mat_ros.core.tick.overrides import Notices
from mat_ros.core.wire import cdr
from mat_ros.core.wire.fields import ns_of, read_baton, read_decision, read_overrides

REQUIRED = ("observation", "encoding", "decision", "applied")
TOLD = (Validity.HELD, Validity.ZERO)


class Policy(Protocol):
    """What a replay needs of a backend."""

    def encode(self, obs: Float32) -> tuple[Float32, Float32]:
        """Map the raw observation (n, obs_dim) to encodings (n, enc_dim) and values (n,)."""
        ...

    def step(self, slot: int, enc: Float32, previous: Float32, state: Float32) -> tuple[Float32, Float32]:
        """Decide one slot."""
        ...


@dataclass
class Recording:
    """A recording, by topic."""

    facts: dict[str, Any]
    messages: dict[str, list[SimpleNamespace]]  # by plain topic, in the order of arrival
    truncated: bool = False

    @classmethod
    def load(cls, path: Path, required: Sequence[str] = REQUIRED) -> Recording:
        """Read a file; one that lacks a topic is refused, one that lacks its end is not."""
        contents = mcap.read(path)
        messages: dict[str, list[SimpleNamespace]] = {}
        for message in contents.messages:
            try:
                topic = plain(message.topic)
            except Refused:
                continue  # somebody else's
            messages.setdefault(topic, []).append(cdr.decode(message.type, message.data))
        facts = {name: json.loads(value) for name, value in contents.metadata.get(FACTS, {}).items()}
        wanted = [t for t in required if not (t == "encoding" and facts.get("encoder") == "replicated")]
        if absent := [topic for topic in wanted if not messages.get(topic)]:
            raise Refused(f"recording {path}", f"messages of {wanted}", f"none of {absent}", "record the whole graph")
        return cls(facts, messages, contents.truncated)

    def of(self, topic: str) -> list[SimpleNamespace]:
        """Give the messages of a topic."""
        return self.messages.get(topic, [])


@dataclass
class Report:
    """What a comparison found."""

    ticks: int = 0  # in the recording
    compared: int = 0  # ticks of which at least one decision could be compared
    differing: int = 0  # of these
    first: dict[str, Any] | None = None  # {"tick", "slot", "field"} of the first difference
    equality: str = "bit"  # or "tolerance", where another kind of backend replays
    truncated: bool = False
    unmatched: int = 0  # messages of a tick whose observation is not in the recording
    values: int = 0  # numbers compared
    worst: float = 0.0  # greatest difference
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Give the report as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Redecided:
    """What the policy decides in one tick, centrally."""

    enc: Float32  # (n, enc_dim)
    values: Float32  # (n,)
    prefixes: tuple[Prefix, ...]  # after slot k, k = 0 .. n-1
    intended: Float32  # (n, act_dim)

    @property
    def told(self) -> Float32:
        """Give what successors are told (n, act_dim)."""
        return self.prefixes[-1].actions


def redecide(policy: Policy, decider: Decider, observer: Observer, signals: NDArray[Any], tick: int, slots: int,
             overrides: Mapping[int, Override] | None = None) -> Redecided:
    """Decide one tick from its measurements (signal,)."""
    enc, values = policy.encode(observer.observe(np.asarray(signals, np.float32)))
    prefix, prefixes, intended = decider.start(), [], []
    for slot in range(slots):
        prefix, intention = decider.extend(prefix, tick, slot + 1, enc, Validity.OWN, overrides)
        prefixes.append(prefix)
        intended.append(intention[0])
    return Redecided(enc, values, tuple(prefixes), np.array(intended))


def replay(recording: Recording, bundle: Bundle, policy: Policy, tolerance: float | None = None) -> Report:
    """Decide the recorded ticks again. A tolerance, in policy units, is for a backend of another class of equality."""
    if recording.facts.get("digest", bundle.digest) != bundle.digest:
        raise Refused("policy", f"the recorded bundle {recording.facts['digest'][:16]}…", f"{bundle.digest[:16]}…",
                      "name the bundle that was recorded")
    manifest = bundle.manifest
    slots, act_dim, enc_dim = manifest.network.agents, manifest.network.act_dim, manifest.network.enc_dim
    sampling = None
    if recording.facts.get("sampled"):
        sampling = Sampling(int(recording.facts["seed"]), np.array(manifest.action_std, np.float32))
    decider = Decider(policy, manifest.network, manifest.state, sampling)
    observer, action_map = Observer(manifest.layout), manifest.action_map
    report = Report(equality="bit" if tolerance is None else "tolerance", truncated=recording.truncated)
    by_tick = _Grouped(recording, bundle.hash64)
    notices = Notices(kept=None)
    for message in recording.of("overrides"):
        if message.manifest == bundle.hash64:
            notices.add(message.tick, read_overrides(message, slots, act_dim))
    for key, observation in by_tick.observations.items():
        report.ticks += 1
        others = by_tick.others.get(key, [])
        if not others:
            continue
        overrides = notices.at(observation.tick)
        right = redecide(policy, decider, observer, observation.signals, observation.tick, slots, overrides)
        compare = _Comparison(report, observation.tick, tolerance)
        for topic, message in others:
            if topic == "encoding":
                compare.rows("encoding.enc", message.enc.reshape(slots, enc_dim), right.enc)
                compare.rows("encoding.values", message.values.reshape(slots, 1), right.values.reshape(slots, 1))
            elif topic == "baton":
                prefix = read_baton(message, act_dim).prefix
                known = right.prefixes[prefix.slots - 1]
                compare.rows("baton.actions", prefix.actions, known.actions)
                compare.one("baton.state", prefix.slots - 1, prefix.state, known.state)
            elif topic == "decision":
                decision = read_decision(message, act_dim)
                count = len(decision.actions)
                said = np.where(np.arange(count)[:, None] < decision.first, right.told[:count], right.intended[:count])
                compare.rows("decision.actions", decision.actions, said)
            else:
                _compare_applied(compare, message, right, action_map.to_command)
        report.compared += 1
        report.differing += compare.differs
    report.unmatched = by_tick.unmatched
    if report.truncated:
        report.notes.append("the file is truncated: compared up to its last whole chunk")
    return report


def _compare_applied(compare: _Comparison, message: SimpleNamespace, right: Redecided, to_command: Any) -> None:
    validity = np.frombuffer(bytes(message.validity), np.uint8)
    actions = message.actions.reshape(right.intended.shape)
    said = right.intended.copy()
    for slot, how in enumerate(validity):
        if how == NONE:
            said[slot] = np.nan
        elif how in TOLD and _far(actions[slot], right.told[slot]) < _far(actions[slot], said[slot]):
            said[slot] = right.told[slot]  # its own node was silent, so the gate had what the others were told
    compare.rows("applied.actions", actions, said)
    if not compare.differs:
        requested = to_command(said.astype(np.float64))
        compare.one("applied.requested", -1, message.requested, requested)


class _Grouped:
    """Bring together what belongs to one observation: tick and source stamp, since a restarted source counts anew."""

    def __init__(self, recording: Recording, manifest: int) -> None:
        def mine(topic: str) -> Iterator[SimpleNamespace]:
            return (m for m in recording.of(topic) if m.manifest == manifest)

        self.observations = {(m.tick, ns_of(m.source_stamp)): m for m in mine("observation")}
        self.others: dict[tuple[int, int], list[tuple[str, SimpleNamespace]]] = {}
        self.unmatched = 0
        for topic in ("encoding", "baton", "decision", "applied"):
            for message in mine(topic):
                key = (message.tick, ns_of(message.source_stamp))
                if key in self.observations:
                    self.others.setdefault(key, []).append((topic, message))
                elif not (topic == "applied" and not key[1]):  # a command without any decision has no source
                    self.unmatched += 1


@dataclass
class _Comparison:
    """Compare the parts of one tick, and remember the first that differs."""

    report: Report
    tick: int
    tolerance: float | None
    differs: bool = False

    def rows(self, name: str, got: NDArray[Any], wanted: NDArray[Any]) -> None:
        """Compare (slot, ...) with (slot, ...)."""
        for slot in range(len(got)):
            self.one(name, slot, got[slot], wanted[slot])

    def one(self, name: str, slot: int, got: NDArray[Any], wanted: NDArray[Any]) -> None:
        """Compare what one slot has; -1 where it is not a slot's."""
        self.report.values += got.size
        if got.shape == wanted.shape and _same(got, wanted):
            return
        close = False
        if got.shape == wanted.shape:
            far = np.nanmax(np.abs(got.astype(np.float64) - wanted), initial=0.0)
            self.report.worst = max(self.report.worst, float(far))
            scale = np.nanmax(np.abs(wanted.astype(np.float64)), initial=1.0)
            close = (self.tolerance is not None and bool((np.isnan(got) == np.isnan(wanted)).all())
                     and far <= self.tolerance * max(1.0, float(scale)))
        if not close:
            self.differs = True
            if self.report.first is None:
                self.report.first = {"tick": self.tick, "slot": slot, "field": name}


def _far(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(np.abs(a.astype(np.float64) - b).max(initial=0.0))


def _same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Say whether two arrays have the same bits; any NaN equals any other, since a missing value has no sign."""
    return a.tobytes() == b.tobytes() or bool(np.array_equal(a, b, equal_nan=True) and
                                              (np.signbit(a) == np.signbit(b))[~np.isnan(a)].all())


# What a robot does, and what a graph says on the way to it. That depends on the wiring and the mode, and on who fell
# silent: a node of all slots hands on no baton, and one that waits for nobody has nothing to correct.
DONE: Mapping[str, tuple[str, ...]] = {
    "observation": ("signals",), "applied": ("actions", "requested", "applied", "reasons"),
    "fault_state": ("ids", "severities"),
}
SAID: Mapping[str, tuple[str, ...]] = {
    "encoding": ("enc", "values"), "baton": ("actions", "state", "validity"), "decision": ("actions", "validity"),
    "applied": ("validity",), "overrides": ("slots", "shares", "validity"),
}


def diff(a: Recording, b: Recording) -> Report:
    """Compare two recordings tick by tick; times and process ids do not count.

    Ticks differ where anything that was measured, decided or applied does. What was only said otherwise is noted.
    """
    report = Report(truncated=a.truncated or b.truncated)
    left, right = _by_tick(a), _by_tick(b)
    report.ticks = len(set(left) | set(right))
    said = []
    for tick in sorted(set(left) & set(right)):
        report.compared += 1
        found = _first_difference(left[tick], right[tick], DONE, report)
        report.differing += found is not None
        if found is not None and report.first is None:
            report.first = {"tick": tick, "slot": found[0], "field": found[1]}
        if found is None and (otherwise := _first_difference(left[tick], right[tick], SAID, report)) is not None:
            said.append((tick, *otherwise))
    if said:
        tick, slot, name = said[0]
        place = f"tick {tick}, slot {slot}" if slot >= 0 else f"tick {tick}"
        report.notes.append(f"in {len(said)} ticks other messages led to the same, as with another wiring, mode or "
                            f"silent node; the first: {place}, {name}")
    if alone := sorted(set(left) ^ set(right)):
        report.unmatched = len(alone)
        report.notes.append(f"{len(alone)} ticks are in one of the two only, the first is {alone[0]}")
    return report


Told = dict[tuple[str, int], SimpleNamespace]  # by topic and the slot that speaks (-1: none does)


def _by_tick(recording: Recording) -> dict[int, Told]:
    found: dict[int, Told] = {}
    for topic in {**DONE, **SAID}:
        for message in recording.of(topic):
            slot = getattr(message, "slot", getattr(message, "first_slot", -1))
            found.setdefault(message.tick, {})[topic, slot] = message  # the last revision counts
    return found


def _first_difference(a: Told, b: Told, fields: Mapping[str, tuple[str, ...]], report: Report
                      ) -> tuple[int, str] | None:
    for (topic, slot), message in a.items():
        if topic not in fields:
            continue
        other = b.get((topic, slot))
        if other is None:
            return slot, f"{topic} (only in the first)"
        for name in fields[topic]:
            one, two = np.asarray(getattr(message, name)), np.asarray(getattr(other, name))
            report.values += one.size
            same = one.tobytes() == two.tobytes() if one.dtype.kind in "fiub" else one.tolist() == two.tolist()
            if one.shape != two.shape or not same:
                return slot, f"{topic}.{name}"
    if extra := sorted((topic, slot) for topic, slot in set(b) - set(a) if topic in fields):
        return extra[0][1], f"{extra[0][0]} (only in the second)"
    return None
