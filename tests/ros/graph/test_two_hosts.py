# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""One graph on two hosts: it forms, bears a bad cable, goes on when the cable is cut, and is whole again after."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from mat_ros.core.policy.bundle import Bundle
from mat_ros.graph.command import node_command
from mat_ros.graph.deployment import Planned, plan_bundle
from mat_ros.graph.launcher import Supervisor
from mat_ros.graph.settings import LaunchSettings
from support.places import BUNDLES
from support.two_hosts import TwoHosts, why_not

pytestmark = [pytest.mark.ros, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]

BUNDLE = BUNDLES / "rwkv4"
PATIENCE_S = 150.0  # bounds a hang on a loaded machine; no test waits for it to pass
FAR = ("chain_elbow", "chain_wrist")  # on the second host


class Seen:
    """What the viewer, on the first host, says of the graph."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.tick, self.own, self.redecided, self.differing, self.compared = -1, 0, 0, 0, 0

    def __call__(self, name: str, line: str) -> None:
        self.lines.append(f"{name}: {line}")
        if name != "viewer" or not line.startswith("tick"):
            return
        found = {word: int(count) for count, word in re.findall(r"(\d+) (own|redecided)", line)}
        found |= {word: int(count) for word, count in re.findall(r"(tick|compared|differing) (\d+)", line)}
        self.own, self.redecided = found.get("own", 0), found.get("redecided", 0)
        self.tick, self.compared, self.differing = found["tick"], found["compared"], found["differing"]


@pytest.fixture
def hosts() -> Iterator[TwoHosts]:
    with TwoHosts() as made:
        yield made


def planned(network: str) -> Planned:
    settings = LaunchSettings(sim="lockstep", network=network, viewer="terminal", mode="optimistic")
    return plan_bundle(settings, Bundle.load(BUNDLE))


def supervise(plan: Planned, hosts: TwoHosts, seen: Seen) -> Supervisor:
    def command(spec, graph):
        return hosts.on(int(spec.name in FAR), node_command(spec, graph))

    return Supervisor(plan.graph, seen, command=command)


def pump_until(supervisor: Supervisor, seen: Seen, true: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    give_up = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < give_up and supervisor.status is None, "\n".join(seen.lines[-40:])
        supervisor.pump(0.1)


def test_a_graph_on_two_hosts_survives_a_bad_cable_and_a_cut_one(hosts: TwoHosts):
    plan, seen = planned("open"), Seen()
    agents = len(plan.bundle.manifest.agents)
    with supervise(plan, hosts, seen) as supervisor:
        pump_until(supervisor, seen, lambda: seen.tick > 20 and seen.own == agents)  # they have found each other

        hosts.cable.loss, hosts.cable.delay_s = 0.05, 0.005
        begun = seen.tick
        pump_until(supervisor, seen, lambda: seen.tick > begun + 100)
        assert hosts.lost > 0
        hosts.cable.loss, hosts.cable.delay_s = 0.0, 0.0

        hosts.cable.cut = True  # the near side decides for the far one
        pump_until(supervisor, seen, lambda: seen.redecided == len(FAR))
        begun = seen.tick
        pump_until(supervisor, seen, lambda: seen.tick > begun + 20)
        assert seen.own == agents - len(FAR)

        hosts.cable.cut = False  # the far side decides for itself again
        pump_until(supervisor, seen, lambda: seen.own == agents)
        begun = seen.compared
        pump_until(supervisor, seen, lambda: seen.compared > begun)
    assert seen.compared > 100 and seen.differing == 0, seen.lines[-3:]


def test_a_graph_is_not_heard_on_another_host_unless_it_is_opened(hosts: TwoHosts):
    plan, seen = planned("loopback"), Seen()
    near = [spec for spec in plan.graph.nodes if spec.name not in FAR]
    with supervise(plan, hosts, seen) as supervisor:
        pump_until(supervisor, seen, lambda: any("waiting for" in line for line in seen.lines))
        until = time.monotonic() + 5.0
        while time.monotonic() < until:
            supervisor.pump(0.1)
        assert sorted(supervisor.running) == sorted(spec.name for spec in plan.graph.nodes), sys.executable
        last = [line for line in seen.lines if "waiting" in line][-1]
        assert all(name in last for name in FAR) and not any(f"{spec.name}," in last for spec in near), last
    assert seen.tick == -1
