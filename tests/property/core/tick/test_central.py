# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The central tick has the bits of its parts, done by hand: observe, encode, step after step, hand to the keeper."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mat_ros.backends.native_library import LIBRARY
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.core.robot.observe import Observer
from mat_ros.core.tick.central import Central
from mat_ros.core.tick.collect import NONE
from mat_ros.core.tick.decide import Sampling
from mat_ros.core.tick.keeper import Keeper, Keeping
from mat_ros.core.tick.messages import Decision, Observation, Outcome, Override, Validity
from mat_ros.core.tick.safety import Gate
from support.arithmetic import Arithmetic
from support.places import BUNDLES

DRAWN = Sampling(3, np.full(1, 0.3, np.float32))
TICKS = st.lists(st.tuples(
    st.integers(0, 10**6),  # seed of the measurements
    st.sampled_from([None, None, None, *range(8)]),  # the measurement that is not finite
    st.booleans(),  # a new episode begins
    st.dictionaries(st.integers(0, 3), st.sampled_from([0.0, 0.5, -1.0]), max_size=2)),  # share of broken joints
    min_size=1, max_size=12)


@functools.cache
def opened(kind: str, compiled: bool):
    bundle = Bundle.load(BUNDLES / kind)
    if not compiled:
        return bundle.manifest, Arithmetic(bundle.manifest.network, bundle.manifest.state)
    from mat_ros.backends.native_backend import NativeBackend

    return bundle.manifest, NativeBackend(bundle)


def keeper_of(manifest) -> Keeper:
    gate = Gate(manifest.joints, manifest.period_ns, GuardSettings(hold_ticks=2, stop_ticks=5, blend_s=0.1))
    return Keeper(manifest, gate, Keeping(lockstep=True, simulated=True))


def observations(manifest, ticks):
    """Turn drawn ticks into observations and what the chain is told of broken joints."""
    episode = 0
    for tick, (seed, spoilt, begins, shares) in enumerate(ticks):
        signals = np.random.default_rng(seed).normal(size=manifest.layout.signal_count).astype(np.float32)
        if spoilt is not None:
            signals[spoilt] = np.nan
        episode += begins
        start = tick * manifest.period_ns
        told = {slot: Override(np.full(manifest.network.act_dim, share, np.float32), Validity.ZERO)
                for slot, share in shares.items()}
        yield Observation(tick, start, start + manifest.period_ns, start - 5, episode, signals), told


def decide_by_hand(manifest, backend, observation: Observation, told, sampling: Sampling | None) -> Decision | None:
    seen = Observer(manifest.layout).observe(observation.signals)
    if not np.isfinite(seen).all():
        return None
    slots = manifest.network.agents
    enc, _ = backend.encode(seen)
    actions, validity = np.zeros((slots, manifest.network.act_dim), np.float32), np.zeros(slots, np.uint8)
    previous, state = np.zeros(manifest.network.act_dim, np.float32), manifest.state.start()
    for slot in range(slots):
        previous, state = backend.step(slot, enc[slot], previous, state)
        if sampling is not None:
            previous = previous + sampling.noise(observation.tick, slot)
        actions[slot] = previous
        if slot in told:
            previous, validity[slot] = previous * told[slot].share, told[slot].validity
    return Decision(observation.tick, observation.source_ns, 0, 0, slots, actions, validity)


def bits(outcome: Outcome) -> tuple:
    applied = outcome.applied
    return (outcome.tick, outcome.source_ns, outcome.actions.tobytes(), outcome.validity.tobytes(), outcome.latency_ns,
            applied.requested.tobytes(), applied.applied.tobytes(), applied.reasons.tobytes(), applied.stopped)


@pytest.mark.parametrize("sampling", [None, DRAWN], ids=["mean", "drawn"])
@pytest.mark.parametrize("kind", ["rwkv4", "attention"])
@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.skipif(
    not LIBRARY.exists(), reason="needs the compiled native backend"))], ids=["arithmetic", "native"])
@settings(max_examples=25, deadline=None)
@given(ticks=TICKS)
def test_a_central_tick_has_the_bits_of_its_parts_whatever_is_measured_or_told(compiled, kind, sampling, ticks):
    manifest, backend = opened(kind, compiled)
    central, ours, theirs = Central(manifest, backend, sampling), keeper_of(manifest), keeper_of(manifest)
    for observation, told in observations(manifest, ticks):
        found = central.tick(ours, observation, told)
        expected = theirs.on_observation(observation, observation.start_ns)
        decision = decide_by_hand(manifest, backend, observation, told, sampling)
        if decision is not None:
            expected += theirs.on_decision(decision, observation.start_ns)
        assert (found.decision is None) == (found.encoded is None) == (decision is None)
        assert [bits(outcome) for outcome in found.outcomes] == [bits(outcome) for outcome in expected]
        at_the_deadline = ours.poll(observation.deadline_ns)
        assert [*map(bits, at_the_deadline)] == [*map(bits, theirs.poll(observation.deadline_ns))]
        (outcome,) = (*found.outcomes, *at_the_deadline)  # one command per tick, never two
        assert (outcome.validity == NONE).all() == (decision is None)


def test_robots_that_share_a_central_tick_do_not_disturb_each_other():
    manifest, backend = opened("rwkv4", False)
    ticks = [[(seed + 100 * robot, None, False, {}) for seed in range(6)] for robot in range(2)]
    alone = [[bits(Central(manifest, backend).tick(keeper, observation).outcomes[0])
              for observation, _ in observations(manifest, drawn)]
             for keeper, drawn in zip([keeper_of(manifest) for _ in range(2)], ticks, strict=True)]
    shared, keepers = Central(manifest, backend), [keeper_of(manifest) for _ in range(2)]
    together = [[bits(shared.tick(keeper, observation).outcomes[0])
                 for keeper, (observation, _) in zip(keepers, pair, strict=True)]
                for pair in zip(*(observations(manifest, drawn) for drawn in ticks), strict=True)]
    assert together == [list(pair) for pair in zip(*alone, strict=True)]
