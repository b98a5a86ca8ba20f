# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of every recorded type are read and written as ROS does; bytes that are no message are refused."""

from types import SimpleNamespace

import numpy as np
import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.record.record import TYPES
from mat_ros.core.wire import cdr
from mat_ros.core.wire.tick import MANIFEST, SOURCE, TICK


@pytest.mark.ros
@pytest.mark.parametrize("kind", sorted(set(TYPES.values())))
def test_ros_reads_the_bytes_that_we_write_and_we_read_those_of_ros(kind):
    import importlib

    from rclpy.serialization import deserialize_message, serialize_message

    package, _, name = kind.split("/")
    of_ros = getattr(importlib.import_module(f"{package}.msg"), name)
    filled = _filled(kind)
    through_ros = cdr.decode(kind, bytes(serialize_message(deserialize_message(cdr.encode(kind, filled), of_ros))))
    assert cdr.encode(kind, through_ros) == cdr.encode(kind, filled)


def _filled(kind):
    """Give a message whose every field holds something, arrays of odd lengths to provoke padding."""
    found = SimpleNamespace()
    for k, field in enumerate(cdr.fields(kind)):
        one = {"string": f"text {k}", "bool": True}.get(field.type, k + 1)
        if "/" in field.type:
            one = _filled(field.type)
        count = field.size if field.fixed else 3 + k % 2
        setattr(found, field.name, [one] * count if field.many else one)
    return found


def test_malformed_bytes_are_refused_and_nothing_else_happens():
    """Ten thousand spoilt messages of every type: each is read or refused in one sentence."""
    rng = np.random.default_rng(0)
    kinds = sorted(set(TYPES.values()))
    good = {kind: cdr.encode(kind, _filled(kind)) for kind in kinds}
    refused = 0
    for k in range(12_000):
        kind = kinds[k % len(kinds)]
        data = bytearray(good[kind])
        how = k // len(kinds) % 4
        if how == 0:
            data = data[:rng.integers(0, len(data))]
        elif how == 1:
            for place in rng.integers(4, len(data), 4):
                data[place] = rng.integers(256)
        elif how == 2:
            place = 4 * int(rng.integers(1, len(data) // 4))
            data[place:place + 4] = (0xFFFFFFFF).to_bytes(4, "little")  # an absurd length somewhere
        else:
            data = bytearray(good[kinds[(k + 1) % len(kinds)]])  # another type's message
        try:
            cdr.decode(kind, bytes(data))
        except Refused:
            refused += 1
    assert refused > 3_000


def test_a_length_beyond_its_bound_is_refused_before_memory_is_taken():
    data = cdr.LITTLE_ENDIAN + bytes(36) + (4097).to_bytes(4, "little") + bytes(4 * 4097)
    with pytest.raises(Refused, match="at most"):
        cdr.decode("mat_ros/msg/Applied", data)


def test_an_unknown_type_is_refused():
    with pytest.raises(Refused, match="message type"):
        cdr.schema("geometry_msgs/msg/Twist")


@pytest.mark.parametrize("topic", SOURCE)
def test_a_message_of_the_tick_has_its_key_at_the_named_places(topic):
    message = _filled(TYPES[topic])
    message.tick, message.manifest = 0x0102030405060708, 0x1112131415161718
    message.source_stamp = SimpleNamespace(sec=0x21222324, nanosec=0x31323334)
    data = cdr.encode(TYPES[topic], message)
    assert int.from_bytes(data[TICK], "little") == message.tick
    assert int.from_bytes(data[MANIFEST], "little") == message.manifest
    assert data[SOURCE[topic]] == bytes.fromhex("24232221" "34333231")
