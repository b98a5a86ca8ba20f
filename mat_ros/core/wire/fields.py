# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Convert messages to the types of the core and back.

A message is any object with the fields of its .msg file: a message object of rclpy, or a message that
`mat_ros.core.wire.cdr` reads from a recording. So the live graph and a replay read a message with the same code.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from mat_ros.core.errors import Refused
from mat_ros.core.tick.messages import Baton, Decision, Encoding, Float32, Outcome, Override, Prefix, Validity

SECOND_NS = 1_000_000_000


def time_of(ns: int) -> SimpleNamespace:
    """Return nanoseconds as the fields of builtin_interfaces/Time."""
    sec, nanosec = divmod(int(ns), SECOND_NS)
    return SimpleNamespace(sec=sec, nanosec=nanosec)


def ns_of(time: Any) -> int:
    """Return a builtin_interfaces/Time in nanoseconds."""
    return int(time.sec) * SECOND_NS + int(time.nanosec)


def rows(values: Any, count: int, width: int, what: str) -> Float32:
    """Return a flat array in the shape (count, width)."""
    flat = np.frombuffer(values, np.float32) if not isinstance(values, np.ndarray) else values
    if count < 0 or flat.size != count * width:
        raise Refused(what, f"{count} x {width} values", flat.size, "drop the message")
    return np.ascontiguousarray(flat.reshape(count, width), np.float32)


def read_encoding(message: Any, slots: int, enc_dim: int) -> Encoding:
    """Return the Encoding of a message."""
    return Encoding(int(message.tick), int(message.start_ns), int(message.deadline_ns), ns_of(message.source_stamp),
                    rows(message.enc, slots, enc_dim, "encoding"))


def read_baton(message: Any, act_dim: int) -> Baton:
    """Return the Baton of a message."""
    count = int(message.slot) + 1
    validity = np.frombuffer(bytes(message.validity), np.uint8)
    if validity.shape != (count,):
        raise Refused("baton, validity", f"{count} values", validity.size, "drop the message")
    prefix = Prefix(rows(message.actions, count, act_dim, "baton, actions"), validity,
                    rows(message.state, 1, len(message.state), "baton, state")[0])
    return Baton(int(message.tick), ns_of(message.source_stamp), int(message.revision), prefix)


def read_decision(message: Any, act_dim: int) -> Decision:
    """Return the Decision of a message."""
    validity = np.frombuffer(bytes(message.validity), np.uint8)
    first, stop = int(message.first_slot), int(message.last_slot) + 1
    if not first < stop <= len(validity):
        raise Refused("decision, slots", f"first <= last < {len(validity)}", (first, stop - 1), "drop the message")
    return Decision(int(message.tick), ns_of(message.source_stamp), int(message.revision), first, stop,
                    rows(message.actions, len(validity), act_dim, "decision, actions"), validity)


def read_overrides(message: Any, slots: int, act_dim: int) -> dict[int, Override]:
    """Return the overrides of an OverrideSet by slot."""
    places = [int(slot) for slot in message.slots]
    validity = bytes(message.validity)
    shares = rows(message.shares, len(places), act_dim, "overrides, shares")
    if (len(validity) != len(places) or len(set(places)) != len(places) or any(s >= slots for s in places)
            or any(v not in (Validity.HELD, Validity.ZERO) for v in validity) or not np.isfinite(shares).all()):
        raise Refused("overrides", f"distinct slots below {slots}, held or zero", (places, list(validity)),
                      "drop the message")
    return {slot: Override(share, Validity(how)) for slot, share, how in zip(places, shares, validity, strict=True)}


def encoding_fields(encoding: Encoding, values: Float32, manifest: int) -> SimpleNamespace:
    """Return the fields of an Encoding."""
    return SimpleNamespace(tick=encoding.tick, manifest=manifest, start_ns=encoding.start_ns,
                           deadline_ns=encoding.deadline_ns, source_stamp=time_of(encoding.source_ns),
                           enc=encoding.enc.reshape(-1), values=values)


def baton_fields(baton: Baton, manifest: int) -> SimpleNamespace:
    """Return the fields of a Baton."""
    prefix = baton.prefix
    return SimpleNamespace(tick=baton.tick, manifest=manifest, source_stamp=time_of(baton.source_ns),
                           slot=prefix.slots - 1, revision=baton.revision & 0xFF, actions=prefix.actions.reshape(-1),
                           state=prefix.state, validity=prefix.validity)


def decision_fields(decision: Decision, manifest: int) -> SimpleNamespace:
    """Return the fields of a Decision."""
    return SimpleNamespace(tick=decision.tick, manifest=manifest, source_stamp=time_of(decision.source_ns),
                           first_slot=decision.first, last_slot=decision.stop - 1, revision=decision.revision & 0xFF,
                           actions=decision.actions.reshape(-1), validity=decision.validity)


def applied_fields(outcome: Outcome, stamp_ns: int, manifest: int) -> SimpleNamespace:
    """Return the fields of an Applied. `stamp_ns` is the time at which the command left the gate."""
    applied = outcome.applied
    return SimpleNamespace(tick=outcome.tick, manifest=manifest, source_stamp=time_of(outcome.source_ns),
                           stamp=time_of(stamp_ns), stopped=applied.stopped, actions=outcome.actions.reshape(-1),
                           validity=outcome.validity, requested=applied.requested, applied=applied.applied,
                           reasons=applied.reasons, number=applied.number, elapsed_ns=applied.elapsed_ns,
                           blend=applied.blend, events=applied.events)


def override_fields(tick: int, overrides: dict[int, Override], manifest: int) -> SimpleNamespace:
    """Return the fields of an OverrideSet that holds from a tick on."""
    shares = [override.share for override in overrides.values()]
    return SimpleNamespace(tick=tick, manifest=manifest, slots=list(overrides),
                           shares=np.concatenate(shares) if shares else np.zeros(0, np.float32),
                           validity=np.array([int(o.validity) for o in overrides.values()], np.uint8))
