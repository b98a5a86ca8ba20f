# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""What a node does whose tick runs in C++: the same as in Python, whatever arrives and however often it starts anew."""

from __future__ import annotations

import os
import struct
import time
from itertools import count
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the ros extra")
pytest.importorskip("mat_ros.msg", reason="needs compiled messages")

from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.serialization import serialize_message

from mat_ros.core.tick.messages import Baton, Encoding, Observation, Override, Prefix, Validity
from mat_ros.core.wire import fields
from mat_ros.core.wire import tick as wire
from mat_ros.core.wire.seal import TAG_BYTES, Seal, read_secret
from mat_ros.msg import OverrideSet
from mat_ros.nodes import chain_node, encoder, loop, topics
from mat_ros.nodes.chain_node import ChainShell
from mat_ros.nodes.encoder import EncoderNode
from mat_ros.nodes.loop import HEARING, Hearing
from support.node_bench import BUNDLE, HOUR_NS, LONG_NS, opened

pytestmark = pytest.mark.ros
if reason := loop.lacking():
    pytest.skip(reason, allow_module_level=True)

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
NETWORK = BUNDLE.manifest.network
TIMES = 20  # a leak or a race shows after some starts, not after one
TRIES = 10  # a tick may age while a loaded machine delivers it


@pytest.fixture(params=[HEARING])
def bench(request, monkeypatch):
    for module in (chain_node, encoder):
        monkeypatch.setattr(module, "HEARING", request.param)
    with opened() as bench:
        yield bench


in_both_threads = pytest.mark.parametrize("bench", list(Hearing), indirect=True, ids=lambda h: h.name.lower())


class Ticks:
    """Make the ticks of a test, each with the present as its start."""

    def __init__(self) -> None:
        self._tick = count(1)
        self.last: Encoding | None = None

    def encoding(self, fill: float = 0.1, ahead_ns: int = 0) -> Encoding:
        tick, start_ns = next(self._tick), time.monotonic_ns() + ahead_ns
        enc = np.full((NETWORK.agents, NETWORK.enc_dim), fill, np.float32)
        self.last = Encoding(tick, start_ns, start_ns + LONG_NS, start_ns, enc)
        return self.last


def written(encoding: Encoding, manifest: int = BUNDLE.hash64) -> bytes:
    return wire.write_encoding(encoding, np.zeros(NETWORK.agents, np.float32), manifest)


def decide(bench, heard: list[bytes], ticks: Ticks) -> wire.Decision:
    """Send new ticks until the node has decided one."""
    before = len(heard)
    for _ in range(TRIES):
        bench.send(topics.ENCODING, written(ticks.encoding()))
        if bench.until(lambda: len(heard) > before, spins=40):
            return wire.read_decision(heard[-1], NETWORK.act_dim)
    raise AssertionError("expected a decision, got none")


def elbow(bench, **more):
    """Open the node of slot 2 and a reader of its decisions."""
    node = bench.open(ChainShell, autostart="activate", first_slot=2, stop_slot=3, tick="native", **more)
    assert node.loop is not None, node.reason
    return node, bench.hear(topics.DECISION)


@in_both_threads
def test_an_encoding_is_answered_with_a_sealed_decision_of_its_tick(bench):
    _, heard = elbow(bench)
    ticks = Ticks()
    decision = decide(bench, heard, ticks)
    assert (decision.tick, decision.first, decision.stop) == (ticks.last.tick, 2, 3)
    assert Seal(read_secret(), topics.DECISION.name).holds(heard[-1])


@in_both_threads
def test_a_node_is_silent_before_it_is_active_and_after(bench):
    node = bench.open(ChainShell, autostart="configure", first_slot=2, stop_slot=3, tick="native")
    heard, ticks = bench.hear(topics.DECISION), Ticks()
    for _ in range(3):
        bench.send(topics.ENCODING, written(ticks.encoding()))
        assert not bench.until(lambda: heard, spins=10)
        assert node.trigger_activate() == SUCCESS
        decide(bench, heard, ticks)
        assert node.trigger_deactivate() == SUCCESS
        bench.until(lambda: False, spins=5)
        heard.clear()


def test_an_encoding_that_is_wrong_is_dropped_and_counted_and_the_next_one_is_decided(bench):
    node, heard = elbow(bench)
    ticks = Ticks()
    decide(bench, heard, ticks)
    for wrong, name in (
        (lambda good: bytes(36), "other_policy"),
        (lambda good: good[:56], "refused"),
        (lambda good: good[:-116], "refused"),
        (lambda good: good[:44] + struct.pack("<I", 2**31) + good[48:], "refused"),
        (lambda good: good[:44] + struct.pack("<I", 2**32 - 1) + good[48:], "refused"),
        (lambda good: written(ticks.encoding(), manifest=1), "other_policy"),
        (lambda good: written(ticks.encoding(fill=np.nan)), "refused"),
        (lambda good: written(ticks.encoding(ahead_ns=HOUR_NS)), "early"),
        (lambda good: written(ticks.encoding(ahead_ns=-HOUR_NS)), "old"),
    ):
        seen, dropped = len(heard), node.facts().get(name, 0)
        bench.send(topics.ENCODING, wrong(written(ticks.encoding())))
        assert bench.until(lambda name=name, dropped=dropped: node.facts().get(name) == dropped + 1)
        assert len(heard) == seen
        decide(bench, heard, ticks)


@in_both_threads
def test_bytes_of_any_length_end_no_node_and_are_counted_as_foreign(bench):
    node, heard = elbow(bench, hear="'0'")
    ticks, random = Ticks(), np.random.default_rng(1)
    decide(bench, heard, ticks)
    sealed = Seal(read_secret(), topics.ENCODING.name).sign(written(ticks.encoding()))
    changed = sealed[:60] + bytes([sealed[60] ^ 1]) + sealed[61:]
    sizes = (4, 5, 19, 20, 21, 1000, 70_000, 200_000)
    hostile = [changed, sealed[:-TAG_BYTES], *(random.bytes(size) for size in sizes)]
    for foreign, data in enumerate(hostile, start=1):
        bench._publishers[topics.ENCODING.name].publish(data)
        assert bench.until(lambda foreign=foreign: node.facts().get("foreign") == foreign)
    bench.send(topics.baton(0), bytes(64))
    assert bench.until(lambda: node.facts().get("other_policy") == 1)
    decide(bench, heard, ticks)


@in_both_threads
def test_a_baton_ends_the_wait_of_a_strict_node(bench):
    node, heard = elbow(bench, mode="strict", hear="'1'")
    ticks = Ticks()
    state = np.zeros(BUNDLE.manifest.state.size(2), np.float32)
    prefix = Prefix(np.zeros((2, NETWORK.act_dim), np.float32), np.zeros(2, np.uint8), state)
    for _ in range(TRIES):
        encoding = ticks.encoding()
        bench.send(topics.ENCODING, written(encoding))
        assert not heard
        baton = Baton(encoding.tick, encoding.source_ns, 0, prefix)
        bench.send(topics.baton(1), wire.write_baton(baton, BUNDLE.hash64))
        if bench.until(lambda: heard, spins=40):
            break
    assert wire.read_decision(heard[0], NETWORK.act_dim).tick == encoding.tick
    assert not node.facts().get("redecided")


def test_a_bounded_node_decides_when_its_patience_is_over_and_not_before(bench):
    node, heard = elbow(bench, mode="bounded", budget_ms="150.0")  # 300 ms for the third slot
    ticks = Ticks()
    decision = decide(bench, heard, ticks)
    assert time.monotonic_ns() - ticks.last.start_ns >= 300_000_000
    assert decision.tick == ticks.last.tick and node.facts()["redecided"] == 2


def test_what_is_told_of_a_broken_joint_holds_in_cpp_too(bench):
    told = bench.hand.create_publisher(topics.OVERRIDES.type, topics.OVERRIDES.name, topics.OVERRIDES.qos)
    _, heard = elbow(bench, chain_information="truth")
    assert bench.until(lambda: told.get_subscription_count() > 0)
    ticks = Ticks()
    assert decide(bench, heard, ticks).validity.tolist() == [Validity.REDECIDED] * 2 + [Validity.OWN]
    share = np.zeros(NETWORK.act_dim, np.float32)
    message = OverrideSet()
    for name, value in vars(fields.override_fields(1, {0: Override(share, Validity.ZERO)}, BUNDLE.hash64)).items():
        setattr(message, name, value)
    told.publish(Seal(read_secret(), topics.OVERRIDES.name).sign(serialize_message(message)))
    for _ in range(TRIES):
        if decide(bench, heard, ticks).validity[0] == Validity.ZERO:
            break
    decision = wire.read_decision(heard[-1], NETWORK.act_dim)
    assert decision.validity.tolist() == [Validity.ZERO, Validity.REDECIDED, Validity.OWN]
    assert not decision.actions[0].any()


def test_observations_are_encoded_and_those_that_cannot_be_are_counted(bench):
    node = bench.open(EncoderNode, autostart="activate", tick="native")
    heard, tick = bench.hear(topics.ENCODING), count(1)

    def observed(fill: float, long_ns: int = LONG_NS) -> bytes:
        start_ns = time.monotonic_ns()
        return wire.write_observation(Observation(next(tick), start_ns, start_ns + long_ns, start_ns, 0,
                                                  np.full(8, fill, np.float32)), BUNDLE.hash64)

    bench.send(topics.OBSERVATION, observed(np.nan))
    assert bench.until(lambda: node.facts().get("not_finite") == 1)
    bench.send(topics.OBSERVATION, observed(0.1, long_ns=1))
    assert bench.until(lambda: node.facts().get("expired") == 1)
    for _ in range(TRIES):
        bench.send(topics.OBSERVATION, observed(0.1))
        if bench.until(lambda: heard, spins=40):
            break
    assert np.isfinite(wire.read_encoding(heard[0], NETWORK.agents, NETWORK.enc_dim).enc).all()


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@in_both_threads
def test_a_node_starts_anew_twenty_times_and_leaves_no_thread_no_topic_and_no_memory(bench):
    node = bench.open(ChainShell, autostart="none", first_slot=2, stop_slot=3, hear="'0'", tick="native")
    ticks, threads, mb = Ticks(), 0, 0.0
    heard: list[bytes] = []
    bench.hand.create_subscription(topics.DECISION.type, topics.DECISION.name, heard.append, topics.DECISION.qos,
                                   raw=True)
    for round_ in range(TIMES):
        assert node.trigger_configure() == SUCCESS and node.trigger_activate() == SUCCESS
        assert bench.until(lambda: bench.hand.count_publishers(topics.DECISION.name) == 1)
        decide(bench, heard, ticks)
        if round_ % 2:
            assert node.trigger_deactivate() == SUCCESS
            assert node.trigger_cleanup() == SUCCESS
        else:  # while a message may be on its way
            bench.send(topics.ENCODING, written(ticks.encoding()))
            assert node.trigger_deactivate() == SUCCESS and node.trigger_cleanup() == SUCCESS
        assert bench.until(lambda: bench.hand.count_publishers(topics.DECISION.name) == 0)
        assert node.loop is None
        if round_ == TIMES // 4:
            threads, mb = len(os.listdir("/proc/self/task")), resident_mb()
    assert len(os.listdir("/proc/self/task")) <= threads
    assert resident_mb() - mb < 20.0


@in_both_threads
def test_a_node_may_be_destroyed_while_it_is_active(bench):
    for _ in range(3):
        node, heard = elbow(bench)
        decide(bench, heard, Ticks())
        bench.executor.remove_node(node)
        bench.nodes.remove(node)
        node.destroy_node()
        assert bench.until(lambda: bench.hand.count_publishers(topics.DECISION.name) == 0)


@pytest.mark.parametrize(("parameters", "reason"), [
    ({"sampled": "true"}, "decisions are sampled"),
    ({"replicated": "true"}, "the node encodes observations itself"),
    ({"inject": "true"}, "messages may be broken on purpose"),
    ({"backend": "onnxruntime"}, "the backend is onnxruntime"),
])
def test_what_cpp_lacks_runs_in_python_and_the_descriptor_states_the_reason(bench, parameters, reason):
    described = []
    bench.hand.create_subscription(topics.DESCRIPTOR.type, topics.DESCRIPTOR.name, described.append,
                                   topics.DESCRIPTOR.qos)
    node = bench.open(ChainShell, first_slot=2, stop_slot=3, tick="auto", **parameters)
    assert node.loop is None and node.configured
    assert bench.until(lambda: described)
    assert described[-1].tick == f"python: {reason}"
    refused = bench.open(ChainShell, first_slot=2, stop_slot=3, tick="native", **parameters)
    assert refused.reason == f"tick: expected auto or python, since {reason}, got native; leave tick out"


def test_a_machine_without_the_library_runs_the_tick_in_python(bench, monkeypatch, tmp_path):
    loop._library.cache_clear()
    monkeypatch.setattr(loop, "LIBRARY", tmp_path / "libmat_ros_loop.so")
    node = bench.open(EncoderNode, tick="auto")
    assert node.configured and node.loop is None
    refused = bench.open(EncoderNode, tick="native")
    assert "the compiled loop of the tick is missing" in refused.reason


def test_ends_are_counted_as_those_of_python(bench):
    described = []
    bench.hand.create_subscription(topics.DESCRIPTOR.type, topics.DESCRIPTOR.name, described.append,
                                   topics.DESCRIPTOR.qos)
    bench.open(EncoderNode, autostart="configure", peers="encoding=1,observation=1", tick="native")
    bench.hand.create_publisher(topics.OBSERVATION.type, topics.OBSERVATION.name, topics.OBSERVATION.qos)
    assert not bench.until(lambda: described and described[-1].connected, spins=20)
    bench.hear(topics.ENCODING)
    assert bench.until(lambda: described[-1].connected)
    assert described[-1].tick == "native"
