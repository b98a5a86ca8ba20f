# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Every policy computes the same decisions in parallel and step by step."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from training.models.config import MIXERS_OF  # noqa: E402

BOUND = {torch.float64: 1e-10, torch.float32: 2e-5}
AGENTS = (1, 2, 6, 26, 52)


@pytest.mark.parametrize("dtype", BOUND, ids=["float64", "float32"])
@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("agents", AGENTS)
@pytest.mark.parametrize("name", MIXERS_OF)
def test_a_policy_evaluates_an_action_exactly_as_it_decided_it(shaken_policy, name, agents, batch, dtype):
    policy = shaken_policy(name, agents, dtype=dtype)
    obs = torch.randn(batch, agents, 5, dtype=dtype)
    actions, decided, values = policy.act(obs)
    log_probs, _, same_values = policy.evaluate(obs, actions)
    assert (log_probs - decided).abs().max() <= BOUND[dtype]
    assert (values - same_values).abs().max() <= BOUND[dtype]


@pytest.mark.parametrize("agents", AGENTS)
@pytest.mark.parametrize("name", MIXERS_OF)
def test_a_chain_that_carries_only_the_flat_state_reproduces_the_parallel_pass(shaken_policy, name, agents):
    policy = shaken_policy(name, agents, blocks=2)
    obs, actions = torch.randn(3, agents, 5).double(), torch.randn(3, agents, 2).double()
    expected = policy.distribution(obs, actions)
    enc, layout = policy.encode(obs), policy.state_layout()
    state, a_prev = policy.initial_state(3), policy.start_action(3)
    for slot in range(agents):
        assert state.shape == layout.shape(3, slot) and state[0].numel() == layout.floats_into(slot)
        mean, state = policy.step(enc[:, slot], a_prev, state)
        a_prev = policy.action_input(actions[:, slot])
        assert (mean - expected[:, slot]).abs().max() < 1e-10


@pytest.mark.parametrize("order", [None, (2, 0, 3, 1)], ids=["in order", "another order"])
@pytest.mark.parametrize("name", MIXERS_OF)
def test_a_slot_is_told_the_share_of_an_action_that_is_done_and_the_action_is_evaluated_so(shaken_policy, name, order):
    policy, heard = shaken_policy(name, 4), []
    order = None if order is None else torch.tensor(order)
    obs, share = torch.randn(3, 4, 5).double(), torch.rand(3, 4, 2).double()

    def step(enc_i, a_prev, state):
        heard.append(a_prev)
        return policy.step(enc_i, a_prev, state)

    with torch.no_grad():
        actions, decided, values = policy.decide(obs, policy.draw_noise(3), order=order, step=step, share=share)
        log_probs, _, same_values = policy.evaluate(obs, actions, order=order, told=actions * share)
    told = (actions * share)[:, range(4) if order is None else order]
    assert torch.equal(heard[0], policy.start_action(3)) and torch.equal(torch.stack(heard[1:], 1), told[:, :-1])
    assert (log_probs - decided).abs().max() < 1e-10 and (values - same_values).abs().max() < 1e-10


@pytest.mark.parametrize("name", MIXERS_OF)
def test_a_share_of_one_and_no_share_are_the_same_decision_bit_for_bit(shaken_policy, name):
    policy = shaken_policy(name, 4)
    obs, noise = torch.randn(3, 4, 5).double(), policy.draw_noise(3)
    with torch.no_grad():
        plain, whole = (policy.decide(obs, noise, share=share) for share in (None, torch.ones(3, 4, 2).double()))
    assert all(torch.equal(one, other) for one, other in zip(plain, whole, strict=True))


def test_a_discrete_policy_refuses_a_share(shaken_policy):
    policy = shaken_policy("mat", 4, act_dim=5, discrete=True)
    with pytest.raises(ValueError, match="expected no share for a discrete policy"):
        policy.decide(torch.randn(3, 4, 5).double(), None, share=torch.ones(3, 4, 1).double())


@pytest.mark.parametrize("name", MIXERS_OF)
def test_a_discrete_policy_never_picks_what_is_not_available(shaken_policy, name):
    policy = shaken_policy(name, 4, act_dim=5, discrete=True)
    available = torch.rand(32, 4, 5) > 0.6
    available[..., 2] = True
    obs = torch.randn(32, 4, 5).double()
    for deterministic in (False, True):
        actions, decided, _ = policy.act(obs, deterministic=deterministic, available=available)
        log_probs, entropy, _ = policy.evaluate(obs, actions, available=available)
        assert available.gather(-1, actions).all()
        assert torch.allclose(log_probs, decided, rtol=0, atol=1e-10)
        assert (entropy >= 0).all() and actions.shape == log_probs.shape == (32, 4, 1)


@pytest.mark.parametrize("name", MIXERS_OF)
def test_padded_observations_and_actions_have_no_effect(shaken_policy, name):
    masks = {
        "observation_mask": ((True,) * 5, (True, True, True, False, False), (True,) * 5),
        "action_mask": ((True, False), (True, True), (True, True)),
    }
    policy = shaken_policy(name, 3, **masks)
    obs = torch.randn(4, 3, 5).double()
    polluted = obs.clone()
    polluted[:, 1, 3:] = 1e6
    actions, log_probs, values = policy.act(obs, generator=torch.Generator().manual_seed(3))
    same_actions, same_log_probs, same_values = policy.act(polluted, generator=torch.Generator().manual_seed(3))
    assert torch.equal(actions, same_actions) and torch.equal(log_probs, same_log_probs)
    assert torch.equal(values, same_values)
    assert (actions[:, 0, 1] == 0).all() and (log_probs[:, 0, 1] == 0).all()
    assert (policy.evaluate(obs, actions)[1][:, 0, 1] == 0).all()


def test_a_generator_makes_sampling_repeatable_and_the_mean_needs_none(shaken_policy):
    policy = shaken_policy("mat", 6)
    obs = torch.randn(2, 6, 5).double()
    first, again = (policy.act(obs, generator=torch.Generator().manual_seed(7))[0] for _ in range(2))
    assert torch.equal(first, again)
    mean = policy.act(obs, deterministic=True)[0]
    assert torch.allclose(mean, policy.distribution(obs, mean), rtol=0, atol=1e-10)
    assert not torch.equal(mean, first)
