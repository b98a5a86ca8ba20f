# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The model of a tick agrees with ticks that can be counted by hand."""

from __future__ import annotations

import pytest

from mat_ros.bench.model import CORES, Costs, costs_of, predict_us
from mat_ros.bench.threads import ThreadCost

PLAIN = Costs(source=10.0, encode=20.0, send=0.0, node=100.0, gather=0.0, apply=5.0, wake=0.0)


def test_a_strict_tick_adds_every_hop_whatever_the_number_of_cores():
    assert {predict_us(PLAIN, 6, "strict", cores) for cores in CORES} == {10.0 + 20.0 + 6 * 100.0 + 5.0}


@pytest.mark.parametrize(("cores", "rounds"), [(1, 6), (2, 3), (4, 2), (6, 1), (16, 1)])
def test_optimistic_nodes_share_the_cores(cores: int, rounds: int):
    assert predict_us(PLAIN, 6, "optimistic", cores) == 10.0 + 20.0 + rounds * 100.0 + 5.0


def test_the_nodes_begin_while_the_encoder_still_sends_to_others():
    costs = Costs(source=0.0, encode=0.0, send=50.0, node=10.0, gather=0.0, apply=0.0, wake=0.0)
    assert predict_us(costs, 4, "optimistic", 2) == 4 * 50.0 + 10.0  # the second core runs the nodes meanwhile
    assert predict_us(costs, 4, "optimistic", 1) == 4 * 50.0 + 4 * 10.0


def test_the_gate_goes_before_nodes_that_wait_for_a_core():
    costs = Costs(source=0.0, encode=0.0, send=0.0, node=100.0, gather=30.0, apply=1.0, wake=0.0)
    assert predict_us(costs, 2, "optimistic", 1) == 2 * 100.0 + 2 * 30.0 + 1.0
    assert predict_us(costs, 3, "optimistic", 2) == 100.0 + 30.0 + 100.0 + 30.0 + 1.0


def test_only_a_core_that_was_idle_has_to_wake():
    costs = Costs(source=0.0, encode=0.0, send=0.0, node=100.0, gather=0.0, apply=0.0, wake=7.0)
    assert predict_us(costs, 4, "optimistic", 1) == 4 * 100.0
    assert predict_us(costs, 3, "strict", 2) > 3 * 100.0


def test_costs_come_from_what_the_threads_used():
    used = {("sim", "main"): 60.0, ("encoder", "dds.udp"): 400.0, ("chain_node", "dds.udp"): 90.0,
            ("chain_node", "dds.ev"): 10.0, ("safety", "dds.udp"): 200.0, ("safety", "safety"): 150.0}
    threads = [ThreadCost(role, thread, 1, us, us, 0.5, 1.0, 0.0) for (role, thread), us in used.items()]
    assert costs_of(threads, slots=20, source_us=68.0, encode_us=40.0, wake_us=8.0) == Costs(
        source=60.0, encode=40.0, send=18.0, node=90.0, gather=10.0, apply=150.0, wake=8.0)
