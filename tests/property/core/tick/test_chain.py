# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The chain keeps its promises under every combination of late, lost, doubled, crashed and restarted."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mat_ros.core.errors import Refused
from mat_ros.core.tick.chain import HORIZON, MODES, Patience
from mat_ros.core.tick.messages import Baton, Override, Validity
from support.chain_world import ACT_DIM, DEADLINE_NS, FATES, HOP_NS, Bench, decide_centrally, encoding

STILL = Override(np.zeros(ACT_DIM, np.float32), Validity.ZERO)


def same_bits(actions, tick, slots, only=None, **how):
    expected = decide_centrally(tick, slots, **how)
    rows = range(slots) if only is None else only
    return all(actions[k].tobytes() == expected[k].tobytes() for k in rows)


@pytest.mark.parametrize(("mode", "baton"), [*((mode, "always") for mode in MODES), ("optimistic", "on_deviation")])
@pytest.mark.parametrize("grows", [False, True])
@pytest.mark.parametrize("spans", [(), ((0, 2), (2, 3), (3, 6)), ((0, 6),)])
def test_every_wiring_and_mode_gives_the_bits_of_the_central_decision(mode, baton, grows, spans):
    bench = Bench(6, mode, spans, baton, grows=grows)
    for tick in range(3):
        assert same_bits(bench.tick(tick), tick, 6, grows=grows)
        assert (bench.collector.validity == Validity.OWN).all()
        assert bench.collector.complete


def test_an_optimistic_tick_costs_one_fan_out_whatever_n_is():
    duration = {}
    for slots in (3, 20):
        bench = Bench(slots, "optimistic", baton="on_deviation")
        bench.tick(0)
        duration[slots] = bench.last_decision_ns
    assert duration[3] == duration[20] == 2 * HOP_NS


def test_a_strict_tick_costs_one_hop_per_slot():
    bench = Bench(5, "strict")
    bench.tick(0)
    assert bench.last_decision_ns == (5 + 1) * HOP_NS


@pytest.mark.parametrize("mode", ["bounded", "optimistic"])
@pytest.mark.parametrize("slots", [3, 4])
def test_every_combination_of_fates_in_one_tick_leaves_every_slot_decided_in_the_healthy_bits(mode, slots):
    """One tick of trouble for all nodes at once, then a healthy one, in every combination."""
    for fates in itertools.product(FATES, repeat=slots):
        bench = Bench(slots, mode)
        bench.tick(0)
        actions = bench.tick(1, list(fates))
        heard = [fate in ("on time", "duplicated", "reordered", "restart") for fate in fates]
        if any(heard):
            last = max(k for k in range(slots) if heard[k])
            reached = range(slots) if heard[0] else range(last + 1)  # the first node decides the rest as a backup
            assert same_bits(actions, 1, slots, reached), fates
        assert np.isfinite(actions).any() == any(heard), fates
        assert same_bits(bench.tick(2), 2, slots), fates


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("node", [0, 1, 2])
def test_every_sequence_of_fates_of_one_node_over_four_ticks_keeps_the_bits(mode, node):
    for fates in itertools.product(FATES, repeat=4):
        bench = Bench(3, mode)
        for tick, fate in enumerate(fates):
            actions = bench.tick(tick, [fate if k == node else "on time" for k in range(3)])
            decided = np.isfinite(actions).all(axis=1)
            assert same_bits(actions, tick, 3, np.flatnonzero(decided)), (fates, tick)  # never a late or foreign one
            if mode != "strict" or fate in ("on time", "duplicated", "reordered", "restart"):
                assert decided.all(), (fates, tick)


def test_no_late_message_is_ever_applied():
    bench = Bench(3, "strict")
    bench.tick(0, ["late", "on time", "on time"])
    bench.tick(1)
    assert bench.nodes[1].counts["late"] == 1
    assert bench.collector.counts["late"] >= 1
    assert same_bits(bench.collector.actions, 1, 3)


def test_a_silent_predecessor_delays_a_bounded_chain_by_its_budget_and_not_to_the_deadline():
    healthy, broken = Bench(4, "bounded"), Bench(4, "bounded")
    healthy.tick(0)
    broken.tick(0, ["on time", "crash", "on time", "on time"])
    assert healthy.last_decision_ns == 5 * HOP_NS
    assert broken.last_decision_ns == 2_000_000 + 2 * HOP_NS  # the third slot waited two budgets, then went on
    assert broken.last_decision_ns < DEADLINE_NS


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shared", [True, False])
def test_a_broken_joint_is_told_to_its_successors_as_it_is_and_not_as_intended(mode, shared):
    known = {"overrides": {1: STILL}} if shared else {"own": {1: STILL}}
    bench = Bench(4, mode, baton="on_deviation" if mode == "optimistic" else "always", **known)
    actions = bench.tick(0)
    assert same_bits(actions, 0, 4, overrides={1: STILL})
    assert not same_bits(actions, 0, 4)
    assert actions[1].any()  # the gate still gets the intention of the broken joint's node


def test_a_deviation_travels_on_although_every_node_has_already_decided():
    bench = Bench(6, "optimistic", baton="on_deviation", own={0: STILL}, reach=1)
    actions = bench.tick(0)
    assert same_bits(actions, 0, 6, overrides={0: STILL})
    assert [node.counts["corrected"] for node in bench.nodes] == [0, 1, 1, 1, 1, 1]


def test_optimistic_nodes_send_no_baton_while_nothing_deviates():
    bench = Bench(4, "optimistic", baton="on_deviation")
    now = encoding(0, 4).start_ns
    assert [len(node.on_encoding(encoding(0, 4), now)) for node in bench.nodes] == [1, 1, 1, 1]  # the decision alone


def test_a_node_that_hears_no_encoding_is_redecided_by_the_others():
    bench = Bench(4, "optimistic")
    actions = bench.tick(0, cut_off=(2,))
    assert same_bits(actions, 0, 4)
    assert bench.collector.validity.tolist() == [0, 0, Validity.REDECIDED, 0]
    assert not bench.collector.complete


def test_an_owner_that_stays_silent_is_soon_not_waited_for_and_is_again_when_it_speaks():
    bench = Bench(3, "optimistic")
    complete = []
    for tick in range(6):
        bench.tick(tick, cut_off=(1,) if tick < 4 else ())
        complete.append(bench.collector.complete)
    assert complete == [False, False, True, True, True, True]
    assert bench.collector.silent.tolist() == [0, 0, 0]


def test_foreign_malformed_and_future_batons_are_counted_and_never_used():
    bench = Bench(3, "strict")
    node, heard = bench.nodes[1], encoding(5, 3)
    node.on_encoding(heard, heard.start_ns)
    (good, _) = bench.nodes[0].on_encoding(heard, heard.start_ns)
    prefix = good.prefix
    bad = [
        Baton(5, heard.source_ns + 1, 0, prefix),  # another observation of the same tick
        Baton(5 + HORIZON + 1, heard.source_ns, 0, prefix),
        Baton(5, heard.source_ns, 0, type(prefix)(prefix.actions[:, :1], prefix.validity, prefix.state)),
        Baton(5, heard.source_ns, 0, type(prefix)(prefix.actions, prefix.validity, prefix.state[:-1])),
        Baton(5, heard.source_ns, 0, type(prefix)(prefix.actions * np.nan, prefix.validity, prefix.state)),
        Baton(5, heard.source_ns, 0, bench.nodes[0]._decider.start()),
    ]
    for baton in bad:
        assert node.on_baton(baton, heard.start_ns) == []
    assert node.counts["refused"] == len(bad)
    assert len(node.on_baton(good, heard.start_ns)) == 2


def test_an_encoding_that_is_not_finite_is_refused():
    bench = Bench(3)
    heard = encoding(1, 3)
    broken = type(heard)(1, heard.start_ns, heard.deadline_ns, heard.source_ns, heard.enc * np.nan)
    assert bench.nodes[0].on_encoding(broken, heard.start_ns) == []
    assert bench.nodes[0].counts["refused"] == 1


def test_a_source_that_counts_its_ticks_anew_after_a_restart_is_followed():
    bench = Bench(3, "optimistic")
    late = encoding(900, 3)
    bench.nodes[0].on_encoding(late, late.start_ns)
    restarted = encoding(0, 3, episode=1)
    assert bench.nodes[0].on_encoding(restarted, restarted.start_ns)


def test_a_baton_that_overtakes_its_encoding_is_kept_for_it():
    bench = Bench(3, "strict")
    heard = encoding(4, 3)
    (baton, _) = bench.nodes[0].on_encoding(heard, heard.start_ns)
    assert bench.nodes[1].on_baton(baton, heard.start_ns) == []
    assert len(bench.nodes[1].on_encoding(heard, heard.start_ns)) == 2


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 9), st.sampled_from(["bounded", "optimistic"]), st.booleans(), st.data())
def test_larger_chains_keep_their_bits_under_random_trouble(slots, mode, grows, data):
    bench = Bench(slots, mode, grows=grows, reach=data.draw(st.integers(1, 3)))
    for tick in range(4):
        fates = data.draw(st.lists(st.sampled_from(FATES), min_size=slots, max_size=slots))
        actions = bench.tick(tick, fates)
        decided = np.flatnonzero(np.isfinite(actions).all(axis=1))
        assert same_bits(actions, tick, slots, decided, grows=grows)
        alive = [k for k in range(slots) if fates[k] in ("on time", "duplicated", "reordered", "restart")]
        if alive:
            assert len(decided) >= max(alive) + 1
    assert same_bits(bench.tick(9), 9, slots, grows=grows)


def test_patience_is_refused_when_it_makes_no_sense():
    with pytest.raises(Refused, match="bounded"):
        Patience.of("bounded", 0)
    with pytest.raises(Refused, match="hopeful"):
        Patience.of("hopeful")
