# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Messages that reach every handler and mean harm: no process ends, and the robot gets what its limits permit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the ros extra")
pytest.importorskip("mat_ros.msg", reason="needs compiled messages")

from mat_ros.nodes import topics
from support.driven_graph import BUNDLE, driven
from support.graph_run import Listener
from support.hostile import TOPICS, Hostile

pytestmark = pytest.mark.ros

MESSAGES = 10_500
REPORT_EVERY = 50  # messages from one false report to the next
RATE_HZ = 10.0  # slow, so that a busy machine does not look like a gate that hangs
COUNTED = ("late", "early", "old", "refused", "expired", "not_finite", "duplicate", "ahead", "unmatched", "settling")


@pytest.fixture
def listener():
    listener = Listener()
    yield listener
    listener.close()


def counted(listener: Listener) -> int:
    """Return how many messages the nodes have counted as no good."""
    return sum(int(values.get(name, 0)) for node, values in listener.reports.items() if "pid" in values
               for name in COUNTED if values.get(name, "0").isdecimal())


def test_ten_thousand_hostile_messages_reach_every_handler_and_harm_nothing(tmp_path, monkeypatch, listener):
    hostile = Hostile(BUNDLE)
    with driven(tmp_path, monkeypatch, wiring="per_agent", rate=RATE_HZ) as run:
        names = list(run.supervisor.processes)
        publishers = {topic: listener.node.create_publisher(topic.type, topic.name,
                                                            dataclasses.replace(topic, depth=100).qos)
                      for topic in (*TOPICS, topics.DIAGNOSTICS)}
        assert listener.until(lambda: all(p.get_subscription_count() > 0 for p in publishers.values()))
        for k in range(MESSAGES):
            topic = TOPICS[k % len(TOPICS)]
            publishers[topic].publish(hostile.draw(topic))
            if k % REPORT_EVERY == 0:
                publishers[topics.DIAGNOSTICS].publish(hostile.report("/", names))
            if k % len(TOPICS) == 0:
                listener.executor.spin_once(timeout_sec=0.002)
                run.supervisor.pump(0.0)
        before, ticks = len(run.written), len(listener.applied)

        def whole() -> bool:
            run.supervisor.pump(0.0)
            return (len(run.written) > before + 20 and len(listener.applied) > ticks + 20
                    and all(slot == 0 for applied in listener.applied[-10:] for slot in applied.validity))

        assert listener.until(whole) and listener.until(lambda: listener.status is not None)
        assert {name: process.starts for name, process in run.supervisor.processes.items()} == dict.fromkeys(names, 1)
        assert listener.status.differing == 0 and listener.status.compared > 50
        assert counted(listener) > MESSAGES
        commands = run.written
    joints = BUNDLE.manifest.joints
    lower, upper, rate = (np.array([getattr(joint, name) for joint in joints]) for name in ("lower", "upper", "rate"))
    assert ((commands[:, 1:] >= lower) & (commands[:, 1:] <= upper)).all()  # no comparison with NaN holds
    assert (np.abs(np.diff(commands[:, 1:], axis=0)) <= rate / RATE_HZ + 1e-9).all()
