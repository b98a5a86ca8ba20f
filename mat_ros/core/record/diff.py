# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compare two recordings tick by tick, and name the first tick, slot and field in which they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from types import SimpleNamespace

import numpy as np

from mat_ros.core.record.comparison import Report, has_decision
from mat_ros.core.record.mcap import Message
from mat_ros.core.record.recording import Recording
from mat_ros.core.record.ticks import Said, Ticks
from mat_ros.core.tick.collect import NONE
from mat_ros.core.wire import cdr
from mat_ros.core.wire.tick import TICK

# DONE lists what a robot measures and does. SAID lists the messages of the graph, which depend on the wiring, the mode
# and silent nodes: a node that owns all slots sends no baton, and a node without a predecessor corrects nothing.
DONE: Mapping[str, tuple[str, ...]] = {
    "observation": ("signals",), "applied": ("actions", "requested", "applied", "reasons", "stopped"),
    "fault_state": ("ids", "severities"),
}
SAID: Mapping[str, tuple[str, ...]] = {
    "encoding": ("enc", "values"), "baton": ("actions", "state", "validity"), "decision": ("actions", "validity"),
    "applied": ("validity",), "overrides": ("slots", "shares", "validity"),
}
TOPICS = tuple({**DONE, **SAID})  # differences are searched in this order
Spoken = dict[tuple[str, int], SimpleNamespace]  # by topic and the sender's slot (-1: the message has no slot)


def diff(a: Recording, b: Recording) -> Report:
    """Return the report of comparing two recordings tick by tick. Times and process ids do not count.

    Ticks differ where a field of DONE differs. Where only fields of SAID differ, the report gets a note.
    """
    report = Report(truncated=a.truncated or b.truncated)
    left, right = _ticks(a), _ticks(b)
    report.ticks = len(left.counts.keys() | right.counts.keys())
    otherwise, first = 0, None  # ticks in which only fields of SAID differ, and the first of them
    for tick, one, two in _pairs(left, right):
        spoken, against = _spoken(one), _spoken(two)
        found = _first_difference(spoken, against, DONE, report)
        undecided = found is None and _is_undecided(spoken)
        report.compared += not undecided
        report.undecided += undecided
        if found is not None:
            report.differing += 1
            if report.first is None or tick < report.first["tick"]:
                report.first = {"tick": tick, "slot": found[0], "field": found[1]}
        elif (found := _first_difference(spoken, against, SAID, report)) is not None:
            otherwise += 1
            if first is None or tick < first[0]:
                first = tick, *found
    if first is not None:
        tick, slot, name = first
        place = f"tick {tick}, slot {slot}" if slot >= 0 else f"tick {tick}"
        report.notes.append(f"in {otherwise} ticks other messages led to the same, as with another wiring, mode or "
                            f"silent node; the first: {place}, {name}")
    if alone := left.counts.keys() ^ right.counts.keys():
        report.unmatched = len(alone)
        report.notes.append(f"{len(alone)} ticks are in one of the two only, the first is {min(alone)}")
    report.notes += [recording.gap for recording in (a, b) if recording.gap]
    return report


def _ticks(recording: Recording) -> Ticks[int]:
    def key(topic: str, message: Message) -> int:
        return int.from_bytes(message.data[TICK], "little")

    return Ticks(lambda: recording.messages(TOPICS), key)


def _pairs(left: Ticks[int], right: Ticks[int]) -> Iterator[tuple[int, Said, Said]]:
    """Yield the ticks of both recordings. Each tick comes as soon as both recordings have returned it."""
    both = left.counts.keys() & right.counts.keys()
    waiting: dict[int, Said] = {}  # ticks of one recording that wait for the other
    for one, two in zip_longest(left, right):
        for found in (one, two):
            if found is None or found[0] not in both:
                continue
            tick, said = found
            if tick not in waiting:
                waiting[tick] = said
            elif found is one:
                yield tick, said, waiting.pop(tick)
            else:
                yield tick, waiting.pop(tick), said


def _spoken(said: Said) -> Spoken:
    found: Spoken = {}
    for topic, message in sorted(said, key=lambda spoken: TOPICS.index(spoken[0])):
        fields = cdr.decode(message.type, message.data)
        slot = getattr(fields, "slot", getattr(fields, "first_slot", -1))
        # The gate also commands without a decision: where measurements are late, and when it leaves the robot. How many
        # such commands follow the decided one is a matter of time.
        if topic != "applied" or (topic, slot) not in found or has_decision(message):
            found[topic, slot] = fields  # the last revision counts
    return found


def _is_undecided(spoken: Spoken) -> bool:
    """Return whether the gate acted in a tick, and no node decided anything in it."""
    applied = spoken.get(("applied", -1))
    return applied is not None and bool((applied.validity == NONE).all())


def _first_difference(a: Spoken, b: Spoken, fields: Mapping[str, tuple[str, ...]], report: Report
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
