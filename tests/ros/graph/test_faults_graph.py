# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Faults in a live graph of processes: asked for, acknowledged, recorded, mended, and replayed to the bit."""

from __future__ import annotations

import dataclasses
import math
import signal
import struct

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the ros extra")
pytest.importorskip("mat_ros.msg", reason="needs compiled messages")

from mat_ros.backends.choose import open_backend
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.record.recording import Recording
from mat_ros.core.record.replay import replay
from mat_ros.core.wire.seal import NO_TAG, Seal, read_secret
from mat_ros.nodes import topics
from mat_ros.srv import ClearFaults, InjectFault
from support import graph_run
from support.graph_run import GraphRun, Listener
from support.places import BUNDLES

pytestmark = pytest.mark.ros

ARM = BUNDLES / "rwkv4"
ACCEPTED, DENIED, UNSUPPORTED = range(3)


@pytest.fixture
def listener():
    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture
def every_node(monkeypatch):
    """Start injector, detector and recorder too."""
    monkeypatch.setattr(graph_run, "SOLO", ())


def inject(listener, level, kind, target, id_="x", severity=math.nan, duration=math.inf):
    return listener.call(InjectFault, "inject_fault", InjectFault.Request(
        id=id_, level=level, kind=kind, target=target, severity=severity, duration_s=duration))


def ticking(listener, count=30):
    """Wait for some more commands."""
    wanted = len(listener.applied) + count
    return listener.until(lambda: len(listener.applied) >= wanted)


def restarted(run, name):
    """Start a node again that has ended, as a launcher does: the supervisor ends a node that hangs for too long."""
    if run.processes[name].poll() is not None:
        run.start(name)
    return True


def started(listener):
    """Wait for the first commands; a dozen processes start slowly on a busy machine."""
    return listener.until(lambda: len(listener.applied) >= 30, 240.0)


def test_requests_are_accepted_denied_or_unsupported_and_nothing_is_broken_unasked(listener, every_node):
    with GraphRun(ARM, sim="lockstep", inject=True):
        assert started(listener)
        assert inject(listener, "message", "drop", "encoder->chain_elbow", severity=1.0).result == ACCEPTED
        for request, words in (
                (("message", "drop", "encoder->chain_elbow"), "in use"),
                (("message", "lose", "encoder->chain_elbow", "y"), "expected one of"),
                (("message", "drop", "encoder->nobody", "y"), "nobody"),
                (("message", "drop", "encoder->chain_wrist", "y", 7.0), "range"),
                (("message", "drop", "encoder->chain_wrist", "y", 0.5, -1.0), "positive duration"),
                (("message", "delay", "encoder->chain_elbow", "y"), "same time")):
            response = inject(listener, *request)
            assert (response.result, words in response.message) == (DENIED, True), response.message
        assert listener.until(lambda: listener.status is not None and listener.status.redecided > 20)
        cleared = listener.call(ClearFaults, "clear_faults", ClearFaults.Request(pattern="*"))
        assert cleared.cleared == 1
        assert listener.until(lambda: ticking(listener) and all(
            v == 0 for m in listener.applied[-20:] for v in m.validity))
        assert listener.status.differing == 0


def test_injection_is_denied_where_it_was_not_allowed(listener, every_node):
    with GraphRun(ARM, {"injector": {"enabled": False}}, sim="lockstep", inject=True):
        assert started(listener)
        response = inject(listener, "node", "crash", "chain_elbow")
        assert response.result == DENIED
        assert "inject:=true" in response.message


@pytest.mark.parametrize("kind", ["crash", "hang"])
def test_a_node_that_is_killed_or_stopped_on_request_costs_no_tick_a_decision(listener, every_node, kind):
    with GraphRun(ARM, sim="lockstep", inject=True) as run:
        assert started(listener)
        # The injector may still have to hear of the node's process.
        assert listener.until(lambda: inject(listener, "node", kind, "chain_elbow").result == ACCEPTED)
        assert listener.until(lambda: ticking(listener) and all(
            list(m.validity)[2] == 1 for m in listener.applied[-20:]))  # redecided by the others
        assert all(255 not in m.validity for m in listener.applied[5:])
        listener.call(ClearFaults, "clear_faults", ClearFaults.Request(pattern="*"))
        if kind == "crash":
            assert run.processes["chain_elbow"].wait(10.0) == -signal.SIGKILL
        assert listener.until(lambda: restarted(run, "chain_elbow") and ticking(listener) and all(
            list(m.validity)[2] == 0 for m in listener.applied[-20:]))
        assert listener.status.differing == 0


def test_everything_is_whole_again_when_the_injector_dies(listener, every_node):
    with GraphRun(ARM, sim="lockstep", inject=True) as run:
        assert started(listener)
        assert inject(listener, "message", "drop", "encoder->chain_wrist", "a", severity=1.0).result == ACCEPTED
        assert listener.until(lambda: inject(listener, "node", "hang", "chain_elbow", "b").result == ACCEPTED)
        assert listener.until(lambda: ticking(listener) and all(
            list(m.validity)[2:] == [1, 255] or list(m.validity)[2:] == [1, 1] for m in listener.applied[-10:]))
        run.processes["injector"].kill()
        assert listener.until(lambda: restarted(run, "chain_elbow") and ticking(listener) and all(
            v == 0 for m in listener.applied[-20:] for v in m.validity))


def test_a_recorded_run_with_killed_nodes_is_decided_again_to_the_bit(listener, every_node, tmp_path):
    file, flight = tmp_path / "run.mcap", tmp_path / "flight.mcap"
    with GraphRun(ARM, sim="lockstep", inject=True, record=str(file), flight=str(flight)) as run:
        assert started(listener)
        run.processes["chain_shoulder_lift"].kill()
        assert ticking(listener, 100)
        run.start("chain_shoulder_lift")
        assert ticking(listener, 100)
        assert run.stop(signal.SIGINT)["recorder"] == 0
    bundle, recording = Bundle.load(ARM), Recording.load(file)
    backend = open_backend(recording.facts["backend"][0], bundle)
    report = replay(recording, bundle, backend)
    assert not report.truncated
    assert report.compared > 200
    assert (report.differing, report.first) == (0, None)
    assert report.gate["reason"] == "" and report.gate["commands"] > 200
    assert recording.facts["digest"] == bundle.digest
    dumped = Recording.load(flight, required=())  # written when the killed node fell silent
    assert "chain_shoulder_lift" in dumped.facts["reason"]
    assert dumped.of("applied")


def test_a_recorded_run_in_real_time_has_every_command_of_its_gate_computed_again(listener, every_node, tmp_path):
    file = tmp_path / "run.mcap"
    with GraphRun(ARM, sim="realtime", record=str(file)) as run:
        assert started(listener)
        run.processes["chain_elbow"].kill()
        assert ticking(listener, 50)
        run.start("chain_elbow")
        assert ticking(listener, 50)
        run.stop(signal.SIGINT)
    bundle, recording = Bundle.load(ARM), Recording.load(file)
    report = replay(recording, bundle, open_backend(recording.facts["backend"][0], bundle))
    assert (report.differing, report.gate["reason"]) == (0, "")
    assert report.gate["commands"] > 100 and report.gate["unknown"] < 10


def test_nodes_that_run_different_backends_are_not_activated(listener):
    with GraphRun(ARM, {"chain_elbow": {"backend": "onnxruntime"}}, sim="lockstep", backend="native"):
        assert listener.until(lambda: listener.status is not None
                              and listener.status.reason.startswith("backend: expected one in every node, got "), 240.0)
        assert "onnxruntime" in listener.status.reason and "in chain_elbow" in listener.status.reason
        assert not listener.applied


def test_ten_thousand_malformed_messages_are_counted_and_change_nothing(listener, every_node):
    rng = np.random.default_rng(0)
    with GraphRun(ARM, sim="lockstep", inject=True) as run:
        assert started(listener)
        bundle = Bundle.load(ARM)
        prefix = struct.pack("<4sQQ", b"\x00\x01\x00\x00", 10**6, bundle.hash64)
        aims = [topics.OBSERVATION, topics.ENCODING, topics.baton(0), topics.baton(1), topics.DECISION, topics.APPLIED]
        publishers = [listener.node.create_publisher(t.type, t.name, dataclasses.replace(t, depth=1000).qos)
                      for t in aims]
        seals = [Seal(read_secret(), t.name) for t in aims]  # the parsers meet only what bears the tag of the launch
        listener.until(lambda: False, 1.0)
        for k in range(10_000):
            body = rng.integers(0, 256, int(rng.integers(0, 200)), np.uint8).tobytes()
            data = (prefix if k % 3 else b"\x00\x01\x00\x00") + body
            publishers[k % len(aims)].publish(seals[k % len(aims)].sign(data + NO_TAG))
            if k % 100 == 0:
                listener.until(lambda: False, 0.02)
        assert ticking(listener, 50)
        counted = sum(int(values.get(name, 0)) for values in listener.reports.values()
                      for name in ("refused", "other_policy", "late"))
        assert all(process.poll() is None for process in run.processes.values())
        assert counted > 2_000
        joints = bundle.manifest.joints
        for message in listener.applied:
            assert all(j.lower <= a <= j.upper for j, a in zip(joints, message.applied, strict=True))
        assert listener.status.differing == 0


def test_the_detector_says_how_every_joint_is(listener, every_node):
    with GraphRun(ARM, sim="lockstep"):
        names = [f"/detector: {joint.name}" for joint in Bundle.load(ARM).manifest.joints]
        assert listener.until(lambda: all(name in listener.reports for name in names))


def test_no_policy_and_no_detector_hears_what_is_broken(listener, every_node, tmp_path):
    def hearing():
        return {info.node_name for info in listener.node.get_subscriptions_info_by_topic("/fault_state")}

    with GraphRun(ARM, sim="lockstep", inject=True, record=str(tmp_path / "run.mcap")) as run:
        assert started(listener)
        assert {"detector", "recorder", "encoder", "chain_elbow", "safety"} <= set(run.names)
        assert listener.until(lambda: "recorder" in hearing())
        assert hearing() == {"recorder"}
