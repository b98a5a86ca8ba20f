# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Write and read the messages of the tick as serialised bytes, without message objects.

rclpy builds a Python object for each message and converts the object field by field. Publishing and taking bytes saves
both steps, and copies each array once. The layouts below are those of the .msg files in little-endian CDR. A test
checks that rclpy writes the same bytes. Every message begins with tick and manifest, and ends with an empty tag, which
`seal` fills. Offsets in comments start behind the header of four bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.core.tick.messages import Applied, Baton, Decision, Encoding, Float32, Observation, Outcome, Prefix
from mat_ros.core.wire.seal import NO_TAG

LITTLE_ENDIAN = b"\x00\x01\x00\x00"
SECOND_NS = 1_000_000_000
TICK = slice(4, 12)  # place of the tick's id in every message of the tick
FIRST_SLOT = slice(28, 30)  # place of the owner's first slot in a Decision
MANIFEST = slice(12, 20)  # place of the policy's hash in every message
SOURCE: Mapping[str, slice] = {  # place of the source stamp, by topic
    "observation": slice(36, 44), "encoding": slice(36, 44),
    "baton": slice(20, 28), "decision": slice(20, 28), "applied": slice(20, 28)}

_OBSERVATION = struct.Struct("<4sQQqqiIII")  # tick, manifest, start, deadline, source s, ns, episode, count @44
_ENCODING = struct.Struct("<4sQQqqiII")  # tick, manifest, start, deadline, source s, ns, count @40
_BATON = struct.Struct("<4sQQiIHBxI")  # tick, manifest, source s, ns, slot, revision, count @28
_DECISION = struct.Struct("<4sQQiIHHB3xI")  # tick, manifest, source s, ns, first, last, revision, count @32
_APPLIED = struct.Struct("<4sQQiIiI?3xI")  # tick, manifest, source s, ns, stamp s, ns, stopped, count @36
_GATE = struct.Struct("<QQdB")  # number, elapsed, blend, events; aligned to 8 behind the header
_COUNT = struct.Struct("<I")
OBSERVATION_BYTES = _OBSERVATION.size  # of an Observation before its measurements
_PADS = (b"", b"\x00", b"\x00\x00", b"\x00\x00\x00")  # before the tag, which is an array of four-byte numbers


def write_observation(observation: Observation, manifest: int) -> bytes:
    """Return the bytes of an Observation."""
    signals = observation.signals
    return _OBSERVATION.pack(LITTLE_ENDIAN, observation.tick, manifest, observation.start_ns, observation.deadline_ns,
                             *divmod(observation.source_ns, SECOND_NS), observation.episode & 0xFFFFFFFF, signals.size,
                             ) + signals.tobytes() + NO_TAG


def read_observation(data: bytes, signals: int) -> Observation:
    """Return the Observation of a message. The message must hold `signals` values."""
    _, tick, _, start, deadline, sec, nsec, episode, count = _OBSERVATION.unpack_from(data)
    _expect("observation, signals", count, signals)
    return Observation(tick, start, deadline, sec * SECOND_NS + nsec, episode,
                       np.frombuffer(data, np.float32, count, _OBSERVATION.size))


def write_encoding(encoding: Encoding, values: Float32, manifest: int) -> bytes:
    """Return the bytes of an Encoding."""
    return b"".join((
        _ENCODING.pack(LITTLE_ENDIAN, encoding.tick, manifest, encoding.start_ns, encoding.deadline_ns,
                       *divmod(encoding.source_ns, SECOND_NS), encoding.enc.size),
        encoding.enc.tobytes(), _COUNT.pack(values.size), values.tobytes(), NO_TAG))


def read_encoding(data: bytes, slots: int, enc_dim: int) -> Encoding:
    """Return the Encoding of a message with `slots` slots. The critic's values are not read."""
    _, tick, _, start, deadline, sec, nsec, count = _ENCODING.unpack_from(data)
    _expect("encoding", count, slots * enc_dim)
    enc = np.frombuffer(data, np.float32, count, _ENCODING.size).reshape(slots, enc_dim)
    return Encoding(tick, start, deadline, sec * SECOND_NS + nsec, enc)


def write_baton(baton: Baton, manifest: int) -> bytes:
    """Return the bytes of a Baton."""
    prefix = baton.prefix
    return b"".join((
        _BATON.pack(LITTLE_ENDIAN, baton.tick, manifest, *divmod(baton.source_ns, SECOND_NS), prefix.slots - 1,
                    baton.revision & 0xFF, prefix.actions.size),
        prefix.actions.tobytes(), _COUNT.pack(prefix.state.size), prefix.state.tobytes(),
        _COUNT.pack(prefix.slots), prefix.validity.tobytes(), _PADS[-prefix.slots % 4], NO_TAG))


def read_baton(data: bytes, act_dim: int) -> Baton:
    """Return the Baton of a message."""
    _, tick, _, sec, nsec, slot, revision, count = _BATON.unpack_from(data)
    _expect("baton, actions", count, (slot + 1) * act_dim)
    at = _BATON.size
    actions = np.frombuffer(data, np.float32, count, at).reshape(slot + 1, act_dim)
    state, at = _array(data, at + 4 * count, np.float32)
    validity, _ = _array(data, at, np.uint8)
    return Baton(tick, sec * SECOND_NS + nsec, revision, Prefix(actions, validity, state))


def write_decision(decision: Decision, manifest: int) -> bytes:
    """Return the bytes of a Decision."""
    return b"".join((
        _DECISION.pack(LITTLE_ENDIAN, decision.tick, manifest, *divmod(decision.source_ns, SECOND_NS), decision.first,
                       decision.stop - 1, decision.revision & 0xFF, decision.actions.size),
        decision.actions.tobytes(), _COUNT.pack(decision.validity.size), decision.validity.tobytes(),
        _PADS[-decision.validity.size % 4], NO_TAG))


def read_decision(data: bytes, act_dim: int) -> Decision:
    """Return the Decision of a message."""
    _, tick, _, sec, nsec, first, last, revision, count = _DECISION.unpack_from(data)
    validity, _ = _array(data, _DECISION.size + 4 * count, np.uint8)
    _expect("decision, actions", count, validity.size * act_dim)
    actions = np.frombuffer(data, np.float32, count, _DECISION.size).reshape(-1, act_dim)
    return Decision(tick, sec * SECOND_NS + nsec, revision, first, last + 1, actions, validity)


def write_applied(outcome: Outcome, stamp_ns: int, manifest: int) -> bytes:
    """Return the bytes of an Applied."""
    applied = outcome.applied
    out = bytearray(_APPLIED.pack(LITTLE_ENDIAN, outcome.tick, manifest, *divmod(outcome.source_ns, SECOND_NS),
                                  *divmod(stamp_ns, SECOND_NS), applied.stopped, outcome.actions.size))
    out += outcome.actions.tobytes()
    for array in (outcome.validity, applied.requested, applied.applied, applied.reasons):
        _append(out, array)
    out += bytes((4 - len(out)) % 8) + _GATE.pack(applied.number, applied.elapsed_ns, applied.blend, applied.events)
    out += _PADS[-len(out) % 4] + NO_TAG
    return bytes(out)


def read_applied(data: bytes, act_dim: int) -> tuple[Outcome, int]:
    """Return the Outcome of an Applied message, and the time in ns at which the command left the gate."""
    _, tick, _, sec, nsec, stamp_sec, stamp_nsec, stopped, count = _APPLIED.unpack_from(data)
    actions = np.frombuffer(data, np.float32, count, _APPLIED.size).reshape(-1, act_dim)
    validity, at = _array(data, _APPLIED.size + 4 * count, np.uint8)
    requested, at = _array(data, at, np.float64)
    applied, at = _array(data, at, np.float64)
    reasons, at = _array(data, at, np.uint16)
    number, elapsed_ns, blend, events = _GATE.unpack_from(data, at + (4 - at) % 8)
    _expect("applied, joints", (requested.size, reasons.size), (applied.size, applied.size))
    outcome = Outcome(tick, sec * SECOND_NS + nsec, actions, validity,
                      Applied(requested, applied, reasons, stopped, number, elapsed_ns, blend, events), latency_ns=0)
    return outcome, stamp_sec * SECOND_NS + stamp_nsec


def _append(out: bytearray, array: NDArray[Any]) -> None:
    out += b"\x00" * (-len(out) % 4) + _COUNT.pack(array.size)
    if array.size:
        out += b"\x00" * (-(len(out) - 4) % array.itemsize) + array.tobytes()


def _array(data: bytes, at: int, dtype: Any) -> tuple[NDArray[Any], int]:
    """Return the sequence that begins at or behind `at`, and the place where the sequence ends."""
    at += -at % 4
    (count,) = _COUNT.unpack_from(data, at)
    at += 4
    size = np.dtype(dtype).itemsize
    if count:
        at += -(at - 4) % size
    return np.frombuffer(data, dtype, count, at), at + count * size


def _expect(what: str, got: object, expected: object) -> None:
    if got != expected:
        raise Refused(what, f"{expected} values", got, "drop the message")
