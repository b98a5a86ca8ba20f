# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The safety gate does the same where C++ gathers its decisions and where Python does, and starts anew any time."""

from __future__ import annotations

import os
import struct
import time
from itertools import count

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the ros extra")
pytest.importorskip("mat_ros.msg", reason="needs compiled messages")

import rclpy
from rclpy.lifecycle import TransitionCallbackReturn

from mat_ros.core.tick.messages import Decision, Observation, Outcome
from mat_ros.core.wire import tick as wire
from mat_ros.nodes import loop, topics
from mat_ros.nodes.safety import SafetyNode
from support.node_bench import BUNDLE, LONG_NS, opened

pytestmark = pytest.mark.ros
if reason := loop.lacking():
    pytest.skip(reason, allow_module_level=True)

SUCCESS = TransitionCallbackReturn.SUCCESS
NETWORK = BUNDLE.manifest.network
LATEST = struct.pack("<iI", 2**31 - 1, 2**32 - 1)  # no stamp of a command can hold this time
TIMES = 20  # a leak or a race shows after some starts, not after one


@pytest.fixture
def bench():
    with opened() as bench:
        yield bench


@pytest.fixture(params=["native", "python"])
def tick(request) -> str:
    return request.param


class Robot:
    """Send the observations and decisions of a robot that stands still, each with the present as its start."""

    def __init__(self, bench) -> None:
        self.bench, self._numbers = bench, count(1)

    def observe(self, deadline_ns: int = LONG_NS, stamp: bytes | None = None) -> Observation:
        start_ns = time.monotonic_ns()
        found = Observation(next(self._numbers), start_ns, start_ns + deadline_ns, start_ns, 0,
                            np.full(8, 0.1, np.float32))
        data = wire.write_observation(found, BUNDLE.hash64)
        self.bench.send(topics.OBSERVATION, data if stamp is None else data[:36] + stamp + data[44:])
        return found

    def decide(self, observation: Observation, slots=range(NETWORK.agents), action: float = 0.25) -> None:
        for slot in slots:
            actions = np.full((slot + 1, NETWORK.act_dim), action, np.float32)
            decision = Decision(observation.tick, observation.source_ns, 0, slot, slot + 1, actions,
                                np.zeros(slot + 1, np.uint8))
            self.bench.send(topics.DECISION, wire.write_decision(decision, BUNDLE.hash64))


def gate(bench, tick: str) -> SafetyNode:
    node = bench.open(SafetyNode, tick=tick, stop_ticks="0", autostart="activate")
    assert (node.loop is not None) == (tick == "native"), node.reason
    return node


def read(data: bytes) -> Outcome:
    return wire.read_applied(data, NETWORK.act_dim)[0]


def test_a_command_is_applied_once_all_slots_have_decided(bench, tick):
    node = gate(bench, tick)
    applied, robot = bench.hear(topics.APPLIED), Robot(bench)
    for k in range(1, 6):
        observation = robot.observe()
        robot.decide(observation, (2, 0, 3))
        assert not bench.until(lambda k=k: len(applied) == k, spins=5)
        robot.decide(observation, (1,))
        assert bench.until(lambda k=k: len(applied) == k)
        outcome = read(applied[-1])
        assert (outcome.tick, outcome.source_ns) == (observation.tick, observation.source_ns)
        assert (outcome.actions == 0.25).all() and not outcome.validity.any()
    assert node.facts()["ticks"] == 5 and "missed" not in node.facts()


def test_what_is_there_is_applied_at_the_deadline_and_a_late_decision_counts(bench, tick):
    node = gate(bench, tick)
    applied, robot = bench.hear(topics.APPLIED), Robot(bench)
    observation = robot.observe(deadline_ns=300_000_000)
    robot.decide(observation, (0, 2))
    assert bench.until(lambda: applied)
    assert read(applied[-1]).validity.tolist() == [0, 0, 0, 255]
    assert time.monotonic_ns() >= observation.deadline_ns
    robot.decide(observation, (3,))
    assert bench.until(lambda: node.facts().get("late") == 1)
    assert node.facts()["missed"] == 1 and len(applied) == 1


def test_a_message_that_no_command_can_carry_on_is_counted_and_harms_no_later_tick(bench, tick):
    node = gate(bench, tick)
    applied, robot = bench.hear(topics.APPLIED), Robot(bench)
    robot.observe(stamp=LATEST)
    robot.observe()
    assert bench.until(lambda: node.facts().get("refused") == 1)
    observation = robot.observe()
    robot.decide(observation)
    assert bench.until(lambda: applied and read(applied[-1]).tick == observation.tick)


def test_bytes_of_any_length_are_counted_and_harm_nothing(bench, tick):
    node = gate(bench, tick)
    applied, robot, random = bench.hear(topics.APPLIED), Robot(bench), np.random.default_rng(1)
    robot.decide(robot.observe())
    assert bench.until(lambda: applied)
    for foreign, size in enumerate((4, 19, 20, 21, 1000, 200_000), start=1):
        bench._publishers[topics.DECISION.name].publish(random.bytes(size))
        assert bench.until(lambda foreign=foreign: node.facts().get("foreign") == foreign)
    bench.send(topics.DECISION, bytes(64))
    assert bench.until(lambda: node.facts().get("other_policy") == 1)
    robot.decide(robot.observe())
    assert bench.until(lambda: len(applied) == 2)


def test_a_gate_is_silent_while_inactive_and_starts_anew_twenty_times_without_a_trace(bench, tick):
    node = bench.open(SafetyNode, tick=tick, stop_ticks="0", autostart="none")
    robot, applied = Robot(bench), []
    bench.hand.create_subscription(topics.APPLIED.type, topics.APPLIED.name, applied.append, topics.APPLIED.qos,
                                   raw=True)
    for round_ in range(TIMES):
        assert node.trigger_configure() == SUCCESS and node.trigger_activate() == SUCCESS
        assert bench.until(lambda: bench.hand.count_publishers(topics.APPLIED.name) == 1)
        applied.clear()
        for _ in range(20):  # the ends of a topic find each other one by one
            robot.decide(robot.observe())
            if bench.until(lambda: applied, spins=20):
                break
        assert applied
        robot.observe()  # its tick is not over when the gate becomes inactive
        assert node.trigger_deactivate() == SUCCESS
        bench.until(lambda: False, spins=3)  # the commands to the fallback
        seen = len(applied)
        robot.decide(robot.observe())
        assert not bench.until(lambda seen=seen: len(applied) > seen, spins=3)
        assert node.trigger_cleanup() == SUCCESS
        if round_ == TIMES // 4:
            threads, files = len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))
    assert len(os.listdir("/proc/self/task")) <= threads
    assert len(os.listdir("/proc/self/fd")) <= files


def test_a_gate_may_be_destroyed_while_it_is_active(bench):
    for _ in range(3):
        node = gate(bench, "native")
        applied, robot = bench.hear(topics.APPLIED), Robot(bench)
        robot.decide(robot.observe())
        assert bench.until(lambda applied=applied: applied)
        robot.observe()
        bench.executor.remove_node(node)
        bench.nodes.remove(node)
        node.destroy_node()
        assert bench.until(lambda: bench.hand.count_publishers(topics.APPLIED.name) == 0)


def test_an_error_in_the_thread_of_the_gate_ends_the_process_as_one_in_a_callback_does(bench, monkeypatch):
    node = gate(bench, "native")
    node.ends = rclpy.Future()  # as the process does once it has made the node
    monkeypatch.setattr(node.keeper, "on_observation", lambda *_: 1 // 0)
    Robot(bench).observe()
    assert bench.until(node.ends.done)
    assert isinstance(node.ends.exception(), ZeroDivisionError)
    node.leave()


def test_messages_that_may_be_broken_on_purpose_are_gathered_in_python(bench):
    node = bench.open(SafetyNode, tick="auto", inject="true")
    assert node.loop is None and node.configured
    refused = bench.open(SafetyNode, tick="native", inject="true")
    assert refused.reason.startswith("tick: expected auto or python, since messages may be broken on purpose")
