# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Broken messages and nodes: what a chain still decides, and that it decides the healthy bits."""

import numpy as np
import pytest

from mat_ros.core.faults.network import HOP_NS, SimulatedChain, deliveries
from mat_ros.core.faults.schedule import Fault, Schedule
from mat_ros.core.tick.chain import MODES
from mat_ros.core.tick.collect import NONE
from mat_ros.core.tick.decide import Decider
from mat_ros.core.tick.messages import Validity
from mat_ros.core.tick.wiring import Span
from support.chain_world import PERIOD_NS, Arithmetic, decide_centrally, encoding, network

SLOTS = 5
NAMES = [f"n{k}" for k in range(SLOTS)]


def chain(mode="optimistic"):
    policy = Arithmetic()
    decider = Decider(policy, network(SLOTS), policy.layout)
    return SimulatedChain(decider, [Span(name, k, k + 1) for k, name in enumerate(NAMES)], SLOTS, PERIOD_NS, mode)


def run(simulated, schedule, ticks=12):
    found = []
    for tick in range(ticks):
        collector = simulated.tick(encoding(tick, SLOTS), schedule)
        found.append((collector.actions.copy(), collector.validity.copy()))
    return found


def fault(level, kind, target, severity=1.0, start=3, end=6):
    return Fault(f"{kind}/{target}", level, kind, target, severity, start, end)


@pytest.mark.parametrize("mode", MODES)
def test_a_whole_chain_gives_the_central_bits_in_every_mode(mode):
    found = run(chain(mode), Schedule(0))
    assert len(found) == 12
    for tick, (actions, validity) in enumerate(found):
        assert actions.tobytes() == decide_centrally(tick, SLOTS).tobytes()
        assert not validity.any()


@pytest.mark.parametrize("kind", ["crash", "hang", "restart"])
@pytest.mark.parametrize("name", NAMES)
def test_one_dead_node_costs_no_joint_its_decision_and_is_exact_when_it_is_back(kind, name):
    slot = NAMES.index(name)
    found = run(chain(), Schedule(0, [fault("node", kind, name)]), 60)
    for tick, (actions, validity) in enumerate(found):
        assert actions.tobytes() == decide_centrally(tick, SLOTS).tobytes()
        if slot and 3 <= tick < 6:
            assert validity[slot] == Validity.REDECIDED
    assert not found[-1][1].any()


def test_when_every_node_is_dead_nothing_is_decided():
    schedule = Schedule(0, [fault("node", "crash", name) for name in NAMES])
    found = run(chain(), schedule)
    assert [bool((validity == NONE).all()) for _, validity in found] == [3 <= tick < 6 for tick in range(12)]


@pytest.mark.parametrize(("kind", "severity"), [("duplicate", 1.0), ("reorder", 1.0), ("delay", 3.0)])
@pytest.mark.parametrize("mode", ["bounded", "optimistic"])
def test_doubled_overtaken_and_slightly_late_messages_change_no_bit(kind, severity, mode):
    links = [f"encoder->{name}" for name in NAMES] + [f"{name}->safety" for name in NAMES]
    schedule = Schedule(0, [fault("message", kind, link, severity) for link in links])
    found = run(chain(mode), schedule)
    assert len(found) == 12
    for tick, (actions, _) in enumerate(found):
        assert actions.tobytes() == decide_centrally(tick, SLOTS).tobytes()


def test_a_decision_that_is_later_than_the_deadline_is_not_applied():
    schedule = Schedule(0, [fault("message", "delay", f"{name}->safety", 50.0) for name in NAMES])
    simulated = chain()
    found = run(simulated, schedule)
    assert all((validity == NONE).all() for _, validity in found[3:6])
    assert not found[-1][1].any()
    assert simulated.collector.counts["late"] > 0


def test_lost_encodings_leave_a_node_to_be_redecided_by_the_others():
    found = run(chain(), Schedule(0, [fault("message", "drop", "encoder->n2")]))
    assert [int(validity[2]) for _, validity in found[2:7]] == [0, 1, 1, 1, 0]


def test_the_same_seed_loses_the_same_messages_and_links_lose_independently():
    faults = [fault("message", "drop", f"encoder->{name}", 0.5, 0, None) for name in NAMES[:2]]
    lost = {seed: [[not deliveries(Schedule(seed, faults), f"encoder->{name}", tick) for tick in range(200)]
                   for name in NAMES[:2]] for seed in (1, 1, 2)}
    assert lost[1] == [[not deliveries(Schedule(1, faults), f"encoder->{name}", t) for t in range(200)]
                       for name in NAMES[:2]]
    assert lost[1][0] != lost[1][1]
    assert lost[1] != lost[2]
    assert 0.4 < np.mean(lost[1]) < 0.6


def test_latency_is_one_fan_out_and_grows_by_what_is_late():
    simulated = chain()
    run(simulated, Schedule(0), 1)
    assert simulated.latency_ns == 2 * HOP_NS
    run(simulated, Schedule(0, [fault("message", "delay", "n4->safety", 2.0, 0, None)]), 0)
    late = chain()
    run(late, Schedule(0, [fault("message", "delay", "n4->safety", 2.0, 0, None)]), 1)
    assert late.latency_ns == 2 * HOP_NS + 2_000_000
