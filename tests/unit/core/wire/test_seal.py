# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A sealed message holds for its topic and its secret alone, and no byte of it can be changed."""

import numpy as np
import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.tick.messages import Baton, Decision, Prefix
from mat_ros.core.wire import cdr, tick
from mat_ros.core.wire.seal import NO_TAG, SECRET, TAG_BYTES, Seal, new_secret, read_secret

KEY, OTHER = bytes(range(32)), bytes(32)


def messages(slots):
    actions, validity = np.ones((slots, 3), np.float32), np.zeros(slots, np.uint8)
    yield "decision", tick.write_decision(Decision(3, 4, 0, 0, slots, actions, validity), 9)
    yield "baton", tick.write_baton(Baton(3, 4, 0, Prefix(actions, validity, np.ones(5, np.float32))), 9)


@pytest.mark.parametrize("slots", range(1, 6))  # so that every number of bytes before the tag occurs
def test_a_message_is_as_long_with_its_tag_and_reads_the_same(slots):
    for topic, data in messages(slots):
        assert data.endswith(NO_TAG)
        assert len(data) % 4 == 0
        sealed = Seal(KEY, topic).sign(data)
        assert sealed[:-TAG_BYTES] == data[:-TAG_BYTES]
        assert sealed[-TAG_BYTES:] != NO_TAG
        message = cdr.decode(f"mat_ros/msg/{topic.title()}", sealed)
        assert message.tag.tobytes() == sealed[-TAG_BYTES:]
        assert cdr.encode(f"mat_ros/msg/{topic.title()}", message) == sealed


def test_it_holds_for_its_topic_and_its_secret_alone():
    _, data = next(messages(4))
    sealed = Seal(KEY, "decision").sign(data)
    assert Seal(KEY, "decision").holds(sealed)
    assert not Seal(KEY, "decision").holds(data)
    for foreign in (Seal(OTHER, "decision"), Seal(b"", "decision"), Seal(KEY, "baton/slot_1"), Seal(KEY, "decisio")):
        assert not foreign.holds(sealed)


def test_no_byte_can_be_changed_added_or_left_out():
    _, data = next(messages(4))
    seal = Seal(KEY, "decision")
    sealed = seal.sign(data)
    for place in range(len(sealed)):
        assert not seal.holds(sealed[:place] + bytes([sealed[place] ^ 0x10]) + sealed[place + 1:])
        assert not seal.holds(sealed[:place] + sealed[place + 1:])
        assert not seal.holds(sealed[:place])
    assert not seal.holds(sealed + b"\x00")


def test_a_recording_from_before_the_seal_reads_with_an_empty_tag():
    _, data = next(messages(4))
    assert cdr.decode("mat_ros/msg/Decision", data[:-TAG_BYTES]).tag.tobytes() == NO_TAG


def test_a_secret_is_read_from_the_environment_and_never_printed():
    assert read_secret({}) == b""
    assert len(read_secret({SECRET: new_secret()})) == 32
    assert new_secret() != new_secret()
    for wrong in ("not hexadecimal at all, but long enough", "00" * 8, "00" * 65):
        with pytest.raises(Refused, match="expected 32 to 128 hexadecimal digits, got") as refused:
            read_secret({SECRET: wrong})
        assert wrong not in str(refused.value)
