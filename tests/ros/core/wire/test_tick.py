# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E402
"""The bytes that nodes write are those of ROS, and what comes back is what went in."""

from __future__ import annotations

import struct

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="needs the ros extra")
pytest.importorskip("mat_ros.msg", reason="needs compiled messages")

from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message

from mat_ros.core.tick.messages import Applied as Command
from mat_ros.core.tick.messages import Baton, Decision, Encoding, Observation, Outcome, Prefix
from mat_ros.core.wire import tick as wire
from mat_ros.core.wire.seal import TAG_BYTES
from mat_ros.msg import Applied
from mat_ros.msg import Baton as BatonMessage
from mat_ros.msg import Decision as DecisionMessage
from mat_ros.msg import Encoding as EncodingMessage
from mat_ros.msg import Observation as ObservationMessage

pytestmark = pytest.mark.ros

MANIFEST = 0xFEDC_BA98_7654_3210
SOURCE = 5_000_000_007
STAMP = Time(sec=5, nanosec=7)
RNG = np.random.default_rng(0)


def floats(*shape: int):
    return RNG.normal(size=shape).astype(np.float32)


def check_bytes(data: bytes, message) -> bytes:
    """Hold our bytes against those of ROS, which leaves what it happens to find in the gaps; give the latter."""
    theirs = serialize_message(message)
    assert len(data) == len(theirs)
    assert deserialize_message(data, type(message)) == message
    return theirs


def same(a, b) -> bool:
    """Compare two of our records field by field, arrays by their bits."""
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if hasattr(a, "__dataclass_fields__"):
        return all(same(getattr(a, name), getattr(b, name)) for name in a.__dataclass_fields__)
    return a == b


@pytest.mark.parametrize("size", [0, 1, 7])
def test_observations(size):
    ours = Observation(3, 10, 20, SOURCE, 4, floats(size))
    message = ObservationMessage(tick=3, manifest=MANIFEST, start_ns=10, deadline_ns=20, source_stamp=STAMP, episode=4,
                                 signals=ours.signals.tolist())
    data = wire.write_observation(ours, MANIFEST)
    theirs = check_bytes(data, message)
    assert same(wire.read_observation(data, size), ours)
    assert same(wire.read_observation(theirs, size), ours)


@pytest.mark.parametrize(("slots", "enc_dim"), [(1, 1), (3, 5)])
def test_encodings(slots, enc_dim):
    ours, values = Encoding(3, 10, 20, SOURCE, floats(slots, enc_dim)), floats(slots)
    message = EncodingMessage(tick=3, manifest=MANIFEST, start_ns=10, deadline_ns=20, source_stamp=STAMP,
                              enc=ours.enc.ravel().tolist(), values=values.tolist())
    data = wire.write_encoding(ours, values, MANIFEST)
    theirs = check_bytes(data, message)
    assert same(wire.read_encoding(data, slots, enc_dim), ours)
    assert same(wire.read_encoding(theirs, slots, enc_dim), ours)


@pytest.mark.parametrize(("slots", "state"), [(1, 0), (3, 10), (4, 7)])
def test_batons(slots, state):
    prefix = Prefix(floats(slots, 2), np.arange(slots, dtype=np.uint8), floats(state))
    ours = Baton(3, SOURCE, 2, prefix)
    message = BatonMessage(tick=3, manifest=MANIFEST, source_stamp=STAMP, slot=slots - 1, revision=2,
                           actions=prefix.actions.ravel().tolist(), state=prefix.state.tolist(),
                           validity=prefix.validity.tolist())
    data = wire.write_baton(ours, MANIFEST)
    theirs = check_bytes(data, message)
    assert same(wire.read_baton(data, 2), ours)
    assert same(wire.read_baton(theirs, 2), ours)


@pytest.mark.parametrize("slots", [1, 3, 4])
def test_decisions(slots):
    ours = Decision(3, SOURCE, 2, slots - 1, slots, floats(slots, 2), np.arange(slots, dtype=np.uint8))
    message = DecisionMessage(tick=3, manifest=MANIFEST, source_stamp=STAMP, first_slot=slots - 1, last_slot=slots - 1,
                              revision=2, actions=ours.actions.ravel().tolist(), validity=ours.validity.tolist())
    data = wire.write_decision(ours, MANIFEST)
    theirs = check_bytes(data, message)
    assert same(wire.read_decision(data, 2), ours)
    assert same(wire.read_decision(theirs, 2), ours)


@pytest.mark.parametrize(("slots", "joints"), [(1, 1), (3, 4), (4, 7)])
def test_applied(slots, joints):
    command = Command(RNG.normal(size=joints), RNG.normal(size=joints), np.arange(joints, dtype=np.uint16), True,
                      2**40, 19_999_999, 0.25, 21)
    ours = Outcome(3, SOURCE, floats(slots, 2), np.arange(slots, dtype=np.uint8), command, 0)
    message = Applied(tick=3, manifest=MANIFEST, source_stamp=STAMP, stamp=Time(sec=1, nanosec=2), stopped=True,
                      actions=ours.actions.ravel().tolist(), validity=ours.validity.tolist(),
                      requested=command.requested.tolist(), applied=command.applied.tolist(),
                      reasons=command.reasons.tolist(), number=2**40, elapsed_ns=19_999_999, blend=0.25, events=21)
    data = wire.write_applied(ours, 1_000_000_002, MANIFEST)
    theirs = check_bytes(data, message)
    for written in (data, theirs):
        found, stamp_ns = wire.read_applied(written, 2)
        assert stamp_ns == 1_000_000_002
        assert same(found, ours)


@pytest.mark.parametrize(("write", "read"), [
    (lambda: wire.write_observation(Observation(3, 1, 2, 3, 0, floats(5)), MANIFEST),
     lambda data: wire.read_observation(data, 5)),
    (lambda: wire.write_encoding(Encoding(3, 1, 2, 3, floats(2, 3)), floats(2), MANIFEST),
     lambda data: wire.read_encoding(data, 2, 3)),
    (lambda: wire.write_baton(Baton(3, 1, 2, Prefix(floats(2, 2), np.zeros(2, np.uint8), floats(3))), MANIFEST),
     lambda data: wire.read_baton(data, 2)),
    (lambda: wire.write_decision(Decision(3, 1, 2, 0, 2, floats(2, 2), np.zeros(2, np.uint8)), MANIFEST),
     lambda data: wire.read_decision(data, 2)),
])
def test_bytes_that_were_cut_off_or_claim_too_much_are_refused(write, read):
    data = write()
    refused = (ValueError, struct.error)
    # Nobody reads the values of the critic, the bytes before the tag that fill the last four, and the tag itself.
    unread = TAG_BYTES + {Encoding: 12, Baton: 2, Decision: 2}.get(read(data).__class__, 0)
    for length in range(4, len(data) - unread, 3):
        with pytest.raises(refused):
            read(data[:length])
    for place in range(28, len(data) - 4, 4):
        spoilt = data[:place] + b"\xff\xff\xff\x7f" + data[place + 4:]
        try:
            read(spoilt)
        except refused:
            continue  # a count; anything else is a value, which the core looks at
