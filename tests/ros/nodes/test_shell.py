# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E402
"""What every node does with its lifecycle, its parameters and messages that are wrong, tried in one process."""

from __future__ import annotations

import struct
import threading
import time
from pathlib import Path

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="needs the ros extra")
pytest.importorskip("mat_ros.msg", reason="needs compiled messages")

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile

from mat_ros.core.errors import Refused
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.core.tick.latch import STATE, StopLatch
from mat_ros.core.tick.messages import Baton, Observation, Prefix
from mat_ros.core.wire import tick as wire
from mat_ros.core.wire.seal import TAG_BYTES, Seal, read_secret
from mat_ros.graph.build import LEAN
from mat_ros.hardware.driver import Drive, Driving, serve
from mat_ros.hardware.guest import driver_address
from mat_ros.hardware.io import Reading, description_of
from mat_ros.nodes import topics
from mat_ros.nodes.chain_node import ChainShell
from mat_ros.nodes.checker import CheckerNode
from mat_ros.nodes.encoder import EncoderNode
from mat_ros.nodes.observer import ObserverNode
from mat_ros.nodes.safety import SafetyNode
from mat_ros.nodes.sim import SimNode
from mat_ros.nodes.supervisor import SupervisorNode
from support.node_bench import BUNDLE, HOUR_NS, LONG_NS, Bench, encoded, opened

pytestmark = pytest.mark.ros

KINDS = (EncoderNode, ChainShell, SafetyNode, SimNode, CheckerNode, SupervisorNode, ObserverNode)
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


@pytest.fixture
def bench():
    with opened() as bench:
        yield bench


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.role)
def test_every_node_walks_through_its_lifecycle_twice(bench, kind):
    node = bench.open(kind, autostart="none")
    for _ in range(2):
        assert node.trigger_configure() == SUCCESS
        assert not node.active
        assert node.trigger_activate() == SUCCESS
        assert node.active
        assert node.trigger_deactivate() == SUCCESS
        assert not node.active
        assert node.trigger_cleanup() == SUCCESS
        assert node.reason == "not configured"
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_shutdown() == SUCCESS


def test_a_lean_node_offers_the_one_service_that_the_supervisor_calls(bench, monkeypatch):
    monkeypatch.setenv(LEAN, "1")
    node = bench.open(EncoderNode, autostart="configure")
    assert bench.until(lambda: bench.hand.count_services("/encoder/change_state") == 1)
    names = [name for name, _ in bench.hand.get_service_names_and_types_by_node(node.get_name(), "/")]
    assert names == ["/encoder/change_state"]
    client = bench.hand.create_client(ChangeState, "/encoder/change_state")
    answers = []
    for number in (Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE,
                   Transition.TRANSITION_CLEANUP, 99):
        answer = client.call_async(ChangeState.Request(transition=Transition(id=number)))
        assert bench.until(answer.done)
        answers.append((answer.result().success, node.active))
    assert answers == [(True, True), (False, True), (True, False), (True, False), (False, False)]


def test_a_node_reports_again_within_a_second_however_often_its_timer_was_called(bench):
    node = bench.open(EncoderNode, autostart="activate")
    reports = []
    bench.hand.create_subscription(topics.DIAGNOSTICS.type, topics.DIAGNOSTICS.name, reports.append, 100)
    assert bench.until(lambda: reports)
    for _ in range(5):
        node._heart.handle.call_timer_with_info()  # as EventsExecutor does for one that is due
        node._beat()
    seen, begun_s = len(reports), time.monotonic()
    assert bench.until(lambda: len(reports) >= seen + 6)
    assert time.monotonic() - begun_s < 3.0


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.role)
def test_a_policy_that_is_not_there_fails_the_configuration_and_the_reason_says_so(bench, kind):
    node = bench.open(kind, policy="/nowhere/at/all")
    assert node.trigger_configure() == FAILURE
    assert "/nowhere/at/all" in node.reason
    assert not node.active


@pytest.mark.parametrize(("kind", "parameters", "told"), [
    (SafetyNode, {"deadline": 1.5}, r"\[0.05, 1\]"),
    (SafetyNode, {"hold_ticks": -2}, r"\[-1, 1e\+06\]"),
    (ChainShell, {"mode": "hasty"}, r"strict \| bounded \| optimistic"),
    (SimNode, {"rate_hz": "fast"}, r"a number in \[0, 1000\]"),
])
def test_a_parameter_out_of_range_is_refused_with_the_range(bench, kind, parameters, told):
    with pytest.raises(Refused, match=told):
        bench.open(kind, **parameters)


def test_a_chain_node_answers_an_encoding_with_a_decision(bench):
    bench.open(ChainShell, autostart="activate", first_slot=2, stop_slot=3)
    heard = bench.hear(topics.DECISION)
    bench.send(topics.ENCODING, encoded(7))
    assert bench.until(lambda: heard)
    decision = wire.read_decision(heard[0], 1)
    assert (decision.tick, decision.first, decision.stop) == (7, 2, 3)


@pytest.mark.parametrize(("data", "count"), [
    (lambda: bytes(36), "other_policy"),
    (lambda: encoded(9)[:56], "refused"),
    (lambda: encoded(9)[:-116], "refused"),
    (lambda: encoded(9)[:44] + struct.pack("<I", 2**31) + encoded(9)[48:], "refused"),
    (lambda: encoded(9, manifest=1), "other_policy"),
    (lambda: encoded(9, fill=np.nan), "refused"),
    (lambda: encoded(9, fill=np.inf), "refused"),
    (lambda: encoded(3), "late"),
    (lambda: encoded(7), "duplicate"),
    (lambda: encoded(9, ahead_ns=HOUR_NS), "early"),
    (lambda: encoded(9, ahead_ns=-HOUR_NS), "old"),
], ids=["empty", "header", "cut", "count", "policy", "nan", "inf", "stale", "duplicate", "an hour ahead",
        "an hour ago"])
def test_an_encoding_that_is_wrong_is_dropped_and_counted(bench, data, count):
    node = bench.open(ChainShell, autostart="activate", first_slot=2, stop_slot=3)
    heard = bench.hear(topics.DECISION)
    bench.send(topics.ENCODING, encoded(7))
    assert bench.until(lambda: heard)
    bench.send(topics.ENCODING, data())
    assert bench.until(lambda: node.counts[count] + node.chain.counts[count] == 1)
    assert len(heard) == 1


def test_a_message_of_another_launch_is_dropped_and_counted_and_so_is_one_with_a_changed_byte(bench):
    node = bench.open(ChainShell, autostart="activate", first_slot=2, stop_slot=3)
    heard = bench.hear(topics.DECISION)
    bench.send(topics.ENCODING, encoded(7), secret=bytes(32))
    assert bench.until(lambda: node.counts["foreign"] == 1)
    sealed = Seal(read_secret(), topics.ENCODING.name).sign(encoded(7))
    changed = sealed[:60] + bytes([sealed[60] ^ 1]) + sealed[61:]
    of_another_topic = Seal(read_secret(), topics.DECISION.name).sign(encoded(7))
    for count, data in enumerate((changed, sealed[:-TAG_BYTES], of_another_topic), start=2):
        bench._publishers[topics.ENCODING.name].publish(data)
        assert bench.until(lambda count=count: node.counts["foreign"] == count)
    assert not heard
    bench.send(topics.ENCODING, encoded(7))
    assert bench.until(lambda: heard)
    assert Seal(read_secret(), topics.DECISION.name).holds(heard[0])


def test_no_parameter_changes_after_the_start(bench):
    node = bench.open(SafetyNode, autostart="none")
    for state in ("unconfigured", "inactive", "active"):
        for name, value in (("hardware", "evil:Arm"), ("policy", "/tmp/evil"), ("hold_ticks", 7)):
            (answer,) = node.set_parameters([Parameter(name, value=value)])
            assert not answer.successful
            assert f"{name}: expected the values of the launch" in answer.reason
        assert node.get_parameter("hardware").value == node.settings.hardware == "sim"
        assert {"unconfigured": node.trigger_configure, "inactive": node.trigger_activate,
                "active": node.trigger_deactivate}[state]() == SUCCESS


def baton(tick: int = 7, source_ns: int = 7, slots: int = 1, state: int = 80, fill: float = 0.0) -> Baton:
    return Baton(tick, source_ns, 0, Prefix(np.full((slots, 1), fill, np.float32), np.zeros(slots, np.uint8),
                                            np.zeros(state, np.float32)))


@pytest.mark.parametrize(("wrong", "count"), [
    (baton(tick=5, source_ns=5), "late"), (baton(tick=900), "refused"), (baton(source_ns=8), "refused"),
    (baton(state=79), "refused"), (baton(fill=np.nan), "refused"), (baton(slots=3), "refused"),
], ids=["stale", "future", "source", "size", "nan", "slots"])
def test_a_baton_that_is_wrong_is_dropped_and_counted(bench, wrong, count):
    node = bench.open(ChainShell, autostart="activate", first_slot=2, stop_slot=3, hear="'0'")
    heard = bench.hear(topics.DECISION)
    bench.send(topics.ENCODING, encoded(7))
    assert bench.until(lambda: heard)
    bench.send(topics.baton(0), wire.write_baton(wrong, BUNDLE.hash64))
    assert bench.until(lambda: node.counts[count] + node.chain.counts[count] == 1)
    assert len(heard) == 1


def test_measurements_that_are_not_finite_or_too_old_are_never_encoded(bench):
    node = bench.open(EncoderNode, autostart="activate")
    heard = bench.hear(topics.ENCODING)

    def observed(tick: int, fill: float, long_ns: int = LONG_NS) -> bytes:
        start_ns = Bench.begun_ns + tick
        return wire.write_observation(
            Observation(tick, start_ns, start_ns + long_ns, tick, 0, np.full(8, fill, np.float32)), BUNDLE.hash64)

    for data, count in ((observed(1, np.nan), "not_finite"), (observed(2, 0.1, long_ns=5), "expired"),
                        (observed(3, 0.1), "encoded"), (observed(2, 0.1), "late")):
        bench.send(topics.OBSERVATION, data)
        assert bench.until(lambda count=count: node.facts().get(count) == 1)
    assert node.facts() == {"not_finite": 1, "expired": 1, "encoded": 1, "late": 1}
    assert bench.until(lambda: len(heard) == 1)


def test_a_mistake_of_ours_in_the_configuration_is_told_and_not_swallowed(bench, monkeypatch):
    def set_up(self):
        import a_module_that_is_not_there  # noqa: F401

    monkeypatch.setattr(EncoderNode, "set_up", set_up)
    node = bench.open(EncoderNode)
    assert not node.configured
    assert node.reason.startswith("ModuleNotFoundError: No module named 'a_module_that_is_not_there' at ")


class LooseCable:
    """A robot whose cable comes off now and then."""

    plugged = True

    def __init__(self, manifest):
        self._manifest = manifest

    def read(self):
        self._require()
        return Reading(np.zeros(8, np.float32), 1)

    def write(self, command):
        self._require()

    def _require(self):
        if not self.plugged:
            raise ConnectionError("no carrier")

    def describe(self):
        return description_of(self._manifest)

    def close(self):
        pass


SLOW_NS = 400_000_000  # a period that even a busy machine keeps


@pytest.fixture
def driver(monkeypatch, tmp_path):
    """A driver of a robot whose cable is loose, as the graph of a real robot has one."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv(STATE, str(tmp_path / "state"))
    manifest, cable, ended = BUNDLE.manifest, LooseCable(BUNDLE.manifest), threading.Event()
    drive = Drive(manifest.joints, GuardSettings(), 10 * SLOW_NS)  # it takes a busy gate for no silent one
    driving = Driving(drive, cable.write, StopLatch(manifest.robot))
    thread = threading.Thread(target=serve, args=(driver_address("/"), driving, cable, ended.is_set))
    thread.start()
    yield driving
    ended.set()
    thread.join()


def find(bench, driver, ticks: int) -> None:
    """Measure a robot that stands still until the gate has found it, and commands it."""
    for tick in range(1, ticks + 1):
        now_ns = time.monotonic_ns()
        observation = Observation(tick, now_ns, now_ns + 10**7, now_ns, 0, np.zeros(8, np.float32))
        bench.send(topics.OBSERVATION, wire.write_observation(observation, BUNDLE.hash64))
        bench.until(lambda: False, spins=2)
    assert bench.until(lambda: driver.counts["written"] > 0)


@pytest.mark.parametrize(("kind", "does"), [(SafetyNode, "write"), (ObserverNode, "read")])
def test_an_adapter_that_raises_ends_no_node_and_is_told_with_its_place(bench, monkeypatch, driver, kind, does):
    more = {"lockstep": "false", "stop_ticks": "0", "rate_hz": str(1e9 / SLOW_NS)} if kind is SafetyNode else {}
    node = bench.open(kind, autostart="activate", hardware="cables:LooseCable", **more)
    if kind is SafetyNode:  # the gate writes of its own accord once a robot has been found and falls silent
        find(bench, driver, ticks=4)
    bench.until(lambda: False, spins=10)
    assert node.reason == "" or "fresh" in node.reason
    monkeypatch.setattr(LooseCable, "plugged", False)
    assert bench.until(lambda: f"the adapter does not {does}: ConnectionError: no carrier at " in node.reason)
    assert Path(__file__).name in node.reason
    monkeypatch.setattr(LooseCable, "plugged", True)
    assert bench.until(lambda: node.reason == "")
    assert node.active and node.facts()


def test_a_joint_that_does_not_do_as_asked_latches_a_stop_on_disk_before_anybody_is_told(bench, monkeypatch, driver):
    node = bench.open(SafetyNode, autostart="activate", hardware="cables:LooseCable", lockstep="false", stop_ticks="0",
                      rate_hz=str(1e9 / SLOW_NS))
    told, write = [], wire.write_applied  # of each tick: whether it is stopped, and the stop on disk when it is told

    def written(outcome, *more):
        told.append((outcome.applied.stopped, StopLatch(BUNDLE.manifest.robot).read()))
        return write(outcome, *more)

    monkeypatch.setattr(wire, "write_applied", written)
    signals, begun_ns = np.zeros(8, np.float32), time.monotonic_ns()
    for tick in range(1, 30):
        if tick > 8:
            signals[2] += 0.2  # the elbow
        now_ns = time.monotonic_ns()
        observation = Observation(tick, now_ns, now_ns + 10**7, begun_ns + tick * SLOW_NS, 0, signals.copy())
        bench.send(topics.OBSERVATION, wire.write_observation(observation, BUNDLE.hash64))
        bench.until(lambda: False, spins=2)
        if node.keeper.stopped and tick > 8:
            break
    assert bench.until(lambda: node.reason.startswith("stopped: joint elbow "))
    assert [latch is not None for stopped, latch in told] == [stopped for stopped, _ in told]
    assert told[-1][1].cause == node.keeper.cause and node.keeper.counts["motion"] == 1


def test_a_gate_that_ends_leaves_the_robot_at_rest_and_latches_no_stop(bench, driver):
    node = bench.open(SafetyNode, autostart="activate", hardware="cables:LooseCable", lockstep="false", stop_ticks="0",
                      rate_hz=str(1e9 / SLOW_NS))
    find(bench, driver, ticks=9)
    assert node.trigger_deactivate() == SUCCESS
    assert StopLatch(BUNDLE.manifest.robot).read() is None and node.reason == ""


def test_ends_that_dds_has_forgotten_to_count_are_seen_all_the_same(bench, monkeypatch):
    monkeypatch.setattr(rclpy.publisher.Publisher, "get_subscription_count", lambda self: 0)
    monkeypatch.setattr(rclpy.subscription.Subscription, "get_publisher_count", lambda self: 0)
    described = []
    topic = topics.DESCRIPTOR
    bench.hand.create_subscription(topic.type, topic.name, described.append, topic.qos)
    bench.open(EncoderNode, autostart="configure", peers="encoding=1,observation=1")
    bench.hand.create_publisher(topics.OBSERVATION.type, topics.OBSERVATION.name, topics.OBSERVATION.qos)
    assert not bench.until(lambda: described and described[-1].connected, spins=20)
    bench.hear(topics.ENCODING)
    assert bench.until(lambda: described[-1].connected)


def test_a_descriptor_that_the_middleware_has_lost_comes_again(bench):
    node = bench.open(EncoderNode, autostart="configure")
    described = []
    topic = topics.DESCRIPTOR
    bench.hand.create_subscription(topic.type, topic.name, described.append, QoSProfile(depth=8))  # not latched
    assert bench.until(lambda: len(described) > 1)
    assert {(d.name, d.digest) for d in described} == {(node.get_name(), node.bundle.digest)}


def test_an_inactive_node_decides_nothing(bench):
    node = bench.open(ChainShell, autostart="configure", first_slot=2, stop_slot=3)
    heard = bench.hear(topics.DECISION)
    bench.send(topics.ENCODING, encoded(7))
    assert not bench.until(lambda: heard, spins=10)
    assert node.trigger_activate() == SUCCESS
    bench.send(topics.ENCODING, encoded(8))
    assert bench.until(lambda: heard)


def test_a_baton_topic_that_no_earlier_slot_has_is_refused(bench):
    node = bench.open(ChainShell, first_slot=1, stop_slot=2, hear="'1'")
    assert "slots before 1" in node.reason


def test_no_process_asks_another_for_types(bench):
    threads = {task.joinpath("comm").read_text().strip() for task in Path("/proc/self/task").iterdir()}
    assert any(name.startswith("dds.") for name in threads)
    assert not any(name.startswith("dds.tls") for name in threads)  # Fast DDS's type lookup service
