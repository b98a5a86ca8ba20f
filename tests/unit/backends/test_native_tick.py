# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A machine in C++ reads every message as its Python model does, hostile ones too, and refuses impossible roles."""

from __future__ import annotations

import dataclasses
import gc
import random
import struct

import numpy as np
import pytest

from mat_ros.backends.native_library import LIBRARY
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.tick.chain import HORIZON, Patience, Role
from mat_ros.core.tick.collect import AHEAD
from mat_ros.core.tick.messages import Baton, Decision, Encoding, Observation, Override, Prefix, Validity
from mat_ros.core.wire import tick as wire
from mat_ros.core.wire.seal import NO_TAG, TAG_BYTES, Seal

if not LIBRARY.exists():
    pytest.skip("needs the compiled native backend", allow_module_level=True)

from mat_ros.backends.native_backend import NativeBackend
from mat_ros.backends.native_tick import (
    BATON,
    DECISION,
    ENCODING,
    OBSERVATION,
    WAKE,
    NativeChain,
    NativeCollector,
    NativeEncoder,
)
from support.places import BUNDLES
from support.tick_twin import CollectorTwin, Twin

SECRET = bytes(range(32))
NOW, MS = 10**12, 1_000_000
LATEST = struct.pack("<iI", 2**31 - 1, 2**32 - 1)  # its time does not fit into a stamp whose nanoseconds are counted on
NUMBERS = (0, 1, 2**16 - 1, 2**16, 2**30, 2**31 - 1, 2**31, 2**32 - 4, 2**32 - 1)
BUNDLE = {name: Bundle.load(BUNDLES / name) for name in ("attention", "rwkv4")}
BACKEND = {name: NativeBackend(bundle) for name, bundle in BUNDLE.items()}
ENC = {name: BACKEND[name].encode(bundle.golden()["observation"][0])[0] for name, bundle in BUNDLE.items()}


def role(first: int = 2, stop: int = 3, mode: str = "strict", **more) -> Role:
    return Role(4, first, stop, Patience.of(mode, MS), **more)


def chain(name: str = "attention", **place) -> Twin:
    return Twin.of_chain(BACKEND[name], BUNDLE[name], role(**place), SECRET, (0, 1))


def encoder(name: str = "attention") -> Twin:
    return Twin.of_encoder(BACKEND[name], BUNDLE[name], SECRET)


def encoding(tick: int = 7, name: str = "attention") -> bytes:
    heard = Encoding(tick, NOW, NOW + 10 * MS, NOW - MS, ENC[name])
    return wire.write_encoding(heard, np.zeros(4, np.float32), BUNDLE[name].hash64)


def baton(twin: Twin, tick: int = 7, slots: int = 2, revision: int = 0, factor: float = 1.0,
          name: str = "attention") -> bytes:
    decider = twin.model.decider
    prefix, _ = decider.extend(decider.start(), tick, slots, ENC[name], Validity.OWN)
    prefix = dataclasses.replace(prefix, actions=prefix.actions * np.float32(factor))
    return wire.write_baton(Baton(tick, NOW - MS, revision, prefix), BUNDLE[name].hash64)


def observation(name: str = "attention") -> bytes:
    signals = np.linspace(-1.0, 1.0, BUNDLE[name].manifest.layout.signal_count, dtype=np.float32)
    return wire.write_observation(Observation(7, NOW, NOW + 10 * MS, NOW - MS, 0, signals), BUNDLE[name].hash64)


def collector(tick: int = 7, name: str = "attention") -> CollectorTwin:
    twin = CollectorTwin(BUNDLE[name], SECRET)
    twin.begin(tick, NOW - MS, NOW + 10 * MS, NOW)
    return twin


def decided(tick: int = 7, first: int = 0, stop: int = 4, slots: int = 4, name: str = "attention", revision: int = 0,
            validity: int = Validity.OWN) -> bytes:
    act_dim = BUNDLE[name].manifest.network.act_dim
    actions = np.linspace(-1.0, 1.0, slots * act_dim, dtype=np.float32).reshape(slots, act_dim)
    return wire.write_decision(Decision(tick, NOW - MS, revision, first, stop, actions,
                                        np.full(slots, validity, np.uint8)), BUNDLE[name].hash64)


def tell(twin: Twin, topic: int, body: bytes, slot: int = 0, now_ns: int = NOW):
    return twin.hear(topic, slot, twin.seal(topic, slot).sign(body), now_ns)


def cases():
    """Yield a fresh twin, and a message that it takes, for each kind of message and of state."""
    for name in BUNDLE:
        yield encoder(name), OBSERVATION, observation(name)
        yield chain(name, mode="optimistic"), ENCODING, encoding(name=name)
        twin = chain(name)
        tell(twin, ENCODING, encoding(name=name))
        yield twin, BATON, baton(twin, name=name)
        yield collector(name=name), OBSERVATION, observation(name)
        yield collector(name=name), DECISION, decided(name=name)


def test_the_cases_are_messages_that_are_taken():
    for twin, topic, body in cases():
        assert tell(twin, topic, body)


def test_a_message_of_any_length_with_the_right_tag_is_read_as_in_python():
    for twin, topic, body in cases():
        whole = body[:-TAG_BYTES]
        for length in range(len(whole)):
            tell(twin, topic, whole[:length] + NO_TAG)
        assert 16 <= twin.machine.counts["other_policy"] <= 20  # the tag may continue the hash of the policy
        assert twin.machine.counts["refused"] >= 40


def test_a_baton_of_many_slots_is_refused_at_any_length():
    twin = chain()
    prefix = Prefix(np.zeros((12, 1), np.float32), np.zeros(12, np.uint8), np.zeros(3, np.float32))
    whole = wire.write_baton(Baton(7, NOW - MS, 0, prefix), twin.model.manifest)[:-TAG_BYTES]
    for length in range(len(whole)):
        assert tell(twin, BATON, whole[:length] + NO_TAG) == []


def test_bytes_behind_the_arrays_of_a_message_are_not_read():
    for twin, topic, body in cases():
        assert tell(twin, topic, body[:-TAG_BYTES] + b"more" + NO_TAG)


def test_any_number_in_any_place_of_a_header_is_read_as_in_python():
    for twin, topic, body in cases():
        for at in (*range(0, 56, 4), len(body) - TAG_BYTES - 8, len(body) - TAG_BYTES - 4):
            for number in NUMBERS:
                tell(twin, topic, body[:at] + struct.pack("<I", number) + body[at + 4:])


def test_every_count_within_a_baton_is_read_as_in_python():
    twin = chain()
    tell(twin, ENCODING, encoding())
    body = baton(twin)
    actions = struct.unpack_from("<I", body, 32)[0]
    state_at = 36 + 4 * actions
    state = struct.unpack_from("<I", body, state_at)[0]
    for at in (28, 32, state_at, state_at + 4 + 4 * state):
        for number in (*NUMBERS, actions, state, state + 1, state - 1, 2, 3, 5):
            tell(twin, BATON, body[:at] + struct.pack("<I", number) + body[at + 4:])


def test_a_number_that_is_not_finite_is_refused_wherever_it_stands():
    for twin, topic, body in cases():
        header = {OBSERVATION: 52, ENCODING: 48, BATON: 36, DECISION: 40}[topic]
        for value in (np.nan, np.inf, -np.inf):
            for at in range(header, len(body) - TAG_BYTES - 3, 4):
                tell(twin, topic, body[:at] + struct.pack("<f", value) + body[at + 4:])


@pytest.mark.parametrize("secret", [b"", bytes(range(16)), SECRET, bytes(range(64))])
def test_the_tag_is_that_of_python_for_every_length_of_a_message(secret):
    machine = NativeChain(BACKEND["rwkv4"], BUNDLE["rwkv4"], role(), secret, [1])
    seal, content = Seal(secret, "baton/slot_1"), random.Random(1).randbytes(700)
    for length in range(700):
        machine.hear(BATON, 1, seal.sign(content[:length] + NO_TAG), NOW)
    assert machine.counts == {"other_policy": 700}


def test_no_byte_can_be_changed_added_or_left_out():
    twin = chain(mode="optimistic")
    sealed = twin.seal(ENCODING).sign(encoding())
    for place in range(len(sealed)):
        twin.hear(ENCODING, 0, sealed[:place] + bytes([sealed[place] ^ 0x10]) + sealed[place + 1:], NOW)
        twin.hear(ENCODING, 0, sealed[:place], NOW)
    twin.hear(ENCODING, 0, sealed + b"\x00", NOW)
    twin.hear(ENCODING, 0, Seal(bytes(32), "encoding").sign(sealed), NOW)
    assert twin.machine.counts == {"foreign": 2 * len(sealed) + 2}


def test_a_message_of_a_topic_that_the_node_does_not_receive_is_foreign():
    twin = chain()
    machine = twin.machine
    for topic, slot in ((OBSERVATION, 0), (DECISION, 0), (BATON, 2), (BATON, -1), (9, 0)):
        name = {OBSERVATION: "observation", DECISION: "decision"}.get(topic, f"baton/slot_{slot}")
        assert machine.hear(topic, slot, Seal(SECRET, name).sign(baton(twin)), NOW) == []
    assert machine.counts == {"foreign": 5}


def test_a_tick_whose_source_stamp_cannot_be_passed_on_is_refused_without_a_message():
    for stamp, sent in ((LATEST, 0), (struct.pack("<iI", 2**31 - 1, 10**9 - 1), 1), (struct.pack("<iI", -2**31, 0), 1)):
        twin, body = chain(mode="optimistic", stop=4), encoding()
        assert len(tell(twin, ENCODING, body[:36] + stamp + body[44:])) == sent
        twin, body = encoder(), observation()
        assert len(tell(twin, OBSERVATION, body[:36] + stamp + body[44:])) == sent


@pytest.mark.parametrize("now_ns", [-2**63, -1, 0, 2**63 - 1])
def test_times_at_the_ends_of_the_clock_are_compared_as_in_python(now_ns):
    ends = (-2**63, -2**63 + 1, -1, 0, 1, 2**63 - 2, 2**63 - 1)
    for start in ends:
        for deadline in ends:
            times = struct.pack("<qq", start, deadline)
            for twin, topic, body in ((chain(mode="bounded"), ENCODING, encoding()),
                                      (encoder(), OBSERVATION, observation())):
                tell(twin, topic, body[:20] + times + body[36:], now_ns=now_ns)


def test_batons_before_the_first_encoding_are_kept_for_the_latest_ticks_alone():
    ticks = [*range(HORIZON + 20)]
    for seed in range(5):
        random.Random(seed).shuffle(ticks)
        for tick in (0, 19, 20, 21, HORIZON + 19):
            twin = chain()
            for ahead in ticks:
                tell(twin, BATON, baton(twin, ahead), slot=1)
            tell(twin, BATON, baton(twin, tick, slots=1, revision=9), slot=1)  # of lower rank
            tell(twin, ENCODING, encoding(tick))


def test_a_kept_baton_is_dropped_when_its_tick_is_over_or_far_away():
    after_seven = (2**64 - 1, 6, 8, 7 + HORIZON, 8 + HORIZON, 0)
    for tick, ahead in (*((7, ahead) for ahead in after_seven), (2**64 - 5, 3), (2**64 - 1, 0)):
        twin = chain()
        tell(twin, BATON, baton(twin, ahead), slot=1)
        tell(twin, ENCODING, encoding(tick))
        body = encoding(ahead)
        tell(twin, ENCODING, body[:20] + struct.pack("<qq", NOW + 1, NOW + 10 * MS) + body[36:])


def test_the_revision_of_a_message_starts_anew_after_255_corrections():
    twin = chain(mode="optimistic")
    tell(twin, ENCODING, encoding())
    for slots in (1, 2):
        for revision in range(256):
            assert len(tell(twin, BATON, baton(twin, slots=slots, revision=revision, factor=2.0 + revision))) == 2
    assert twin.machine.counts["corrected"] == 512


def test_the_newest_sixteen_notices_count_and_one_that_is_in_use_outlives_them():
    twin = chain(mode="optimistic", stop=4)

    def begin(tick: int) -> None:
        body, start_ns = encoding(tick), NOW + tick
        times = struct.pack("<qq", start_ns, start_ns + 10 * MS)
        assert tell(twin, ENCODING, body[:20] + times + body[36:], now_ns=start_ns)

    for k in range(20):
        twin.notice(k, {k % 4: Override(np.array([0.1 * k], np.float32), Validity.HELD)})
    for tick in range(8):
        begin(tick)
    for _ in range(17):
        twin.notice(100, {1: Override(np.array([0.5], np.float32), Validity.ZERO)})
    assert tell(twin, BATON, baton(twin, revision=3, factor=3.0), slot=1, now_ns=NOW + 8)
    begin(8)


def test_an_impossible_notice_is_refused():
    machine = chain(mode="optimistic").machine
    still = np.zeros(1, np.float32)
    for slot, override in ((4, Override(still, Validity.HELD)), (-1, Override(still, Validity.HELD)),
                           (0, Override(still, Validity.OWN)), (0, Override(still + np.nan, Validity.ZERO))):
        machine.notice(0, {slot: override})
    assert machine.counts == {"refused": 4}


def test_a_node_that_cannot_decide_in_time_asks_for_no_call():
    twin = chain(mode="bounded")
    tell(twin, ENCODING, encoding())
    assert twin.machine.wake_ns == NOW + 2 * MS
    twin.poll(NOW + 2 * MS - 1)
    assert twin.machine.wake_ns == NOW + 2 * MS
    twin.poll(NOW + 10 * MS)
    assert twin.machine.wake_ns is None
    assert len(twin.poll(NOW + 2 * MS)) == 2  # the clock was set back
    twin = chain(mode="strict")
    tell(twin, ENCODING, encoding())
    assert twin.machine.wake_ns is None


def test_a_machine_keeps_its_policy_open():
    backend = NativeBackend(BUNDLE["rwkv4"])
    machine = NativeEncoder(backend, BUNDLE["rwkv4"], SECRET)
    del backend
    gc.collect()
    assert machine.hear(OBSERVATION, 0, Seal(SECRET, "observation").sign(observation("rwkv4")), NOW)


@pytest.mark.parametrize(("place", "heard", "secret", "period_ns", "sentence"), [
    (Role(5, 0, 5, Patience.of("strict")), (), SECRET, 1, "chain role: expected a chain of 4 slots, got 5"),
    (role(), (2,), SECRET, 1, "expected slots before 2, got 2"),
    (role(), (-1,), SECRET, 1, "expected slots before 2, got -1"),
    (role(), (1,), bytes(65), 1, "secret: expected at most 64 bytes, got 65"),
    (role(), (1,), SECRET, 0, "control period: expected 1 .. .* ns, got 0"),
    (role(), (1,), SECRET, 2**62, "control period: expected 1 .. .* ns, got"),
    (dataclasses.replace(role(), patience=Patience("bounded", 0)), (1,), SECRET, 1, "patience: expected strict"),
])
def test_an_impossible_role_is_refused(place, heard, secret, period_ns, sentence):
    bundle = BUNDLE["rwkv4"]
    bundle = Bundle(bundle.folder, dataclasses.replace(bundle.manifest, period_ns=period_ns), bundle.digest)
    with pytest.raises(Refused, match=sentence):
        NativeChain(BACKEND["rwkv4"], bundle, place, secret, heard)


def test_a_prefix_that_leads_to_no_finite_action_is_passed_on_as_in_python():
    """Finite encodings may lead to actions that are not finite; the gate refuses them."""
    twin = chain(mode="optimistic", stop=4)
    body = bytearray(encoding())
    body[48:48 + 4 * ENC["attention"].size] = np.full(ENC["attention"].size, 3e38, np.float32).tobytes()
    assert tell(twin, ENCODING, bytes(body))


def test_a_baton_of_more_slots_than_the_chain_has_is_refused():
    twin = chain()
    tell(twin, ENCODING, encoding())
    for slots in (3, 4, 5, 1000, 2**16):
        prefix = Prefix(np.zeros((slots, 1), np.float32), np.zeros(slots, np.uint8), np.zeros(64 * 2, np.float32))
        tell(twin, BATON, wire.write_baton(Baton(7, NOW - MS, 0, prefix), twin.model.manifest), slot=1)
    assert twin.machine.counts["refused"] == 5


def test_a_tick_ends_once_with_its_last_decision_or_with_the_first_one_after_its_deadline():
    twin = collector()
    ends = [tell(twin, DECISION, decided(first=k, stop=k + 1, slots=k + 1)) for k in (2, 0, 3, 1, 1)]
    assert ends == [[], [], [], [(WAKE, b"")], []]
    twin = collector()
    ends = [tell(twin, DECISION, decided(first=k, stop=k + 1), now_ns=NOW + 10 * MS + 1) for k in range(4)]
    assert ends == [[(WAKE, b"")], [], [], []]
    assert twin.machine.counts == {"late": 4} and twin.machine.validity.tolist() == [255] * 4


def test_every_count_and_every_slot_within_a_decision_is_read_as_in_python():
    body = decided()
    for at in (28, 30, 32, 36, 40 + 16):
        for number in (*NUMBERS, 2, 3, 4, 5, 4 << 16, 3 << 16, 3 << 16 | 3, 4 << 16 | 4):
            tell(collector(), DECISION, body[:at] + struct.pack("<I", number) + body[at + 4:])


def test_decisions_of_more_slots_than_the_chain_has_are_refused_now_and_ahead():
    for slots in (0, 3, 4, 5, 1000, 2**16):
        twin = collector()
        for tick in (7, 8, 9):
            tell(twin, DECISION, decided(tick, slots=slots))
        twin.begin(8, NOW - MS, NOW + 10 * MS, NOW)
        twin.begin(9, NOW - MS, NOW + 10 * MS, NOW)
        assert twin.machine.counts["refused"] == (0 if slots == 4 else 3)


def test_decisions_ahead_are_kept_in_their_order_up_to_a_limit():
    twin, order = CollectorTwin(BUNDLE["attention"], SECRET), random.Random(1)
    for k in range(AHEAD + 10):
        tell(twin, DECISION, decided(order.randrange(200), k % 4, k % 4 + 1, order.choice((4, 5, k % 4 + 1)),
                                     revision=order.randrange(3), validity=order.choice((0, 1, 2))))
    for tick in (0, 1, 2, 50, 60, 100, 120, 199):
        twin.begin(tick, NOW - MS, NOW + 10 * MS, NOW)


def test_a_decision_far_ahead_or_of_another_run_is_refused():
    for tick, ahead in ((7, 7 + HORIZON), (7, 8 + HORIZON), (2**64 - 5, 2**64 - 1), (2**64 - 1, 0), (0, 2**64 - 1)):
        twin = collector(tick)
        tell(twin, DECISION, decided(ahead))
        twin.begin(ahead, NOW - MS, NOW + 10 * MS, NOW)


def test_a_silent_owner_is_excused_and_waited_for_again_once_it_is_back():
    twin = collector(0)
    ends = []
    for tick in range(1, 12):
        if tick > 7:
            tell(twin, DECISION, decided(tick - 1, 2, 3))  # the owner of slot 2 is slow
        twin.begin(tick, NOW - MS, NOW + 10 * MS, NOW)
        sent = [tell(twin, DECISION, decided(tick, k, k + 1)) for k in (0, 1, 3)]
        ends.append(sent[-1] != [])
        twin.close()
    assert ends == [False] * 1 + [True] * 6 + [False] * 4


def test_the_two_newest_observations_wait_for_the_gate():
    twin = collector()
    for tick in range(5):
        body = observation()
        tell(twin, OBSERVATION, body[:4] + struct.pack("<Q", tick) + body[12:], now_ns=NOW + tick)
    taken = [twin.take_observation() for _ in range(3)]
    assert [seen and seen.tick for seen in taken] == [3, 4, None]


def test_an_impossible_collector_is_refused():
    bundle = BUNDLE["attention"]
    with pytest.raises(Refused, match="secret: expected at most 64 bytes, got 65"):
        NativeCollector(bundle, bytes(65))
