# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A slot depends on predecessors' actions, never on successors', and on the observations that its encoder reads."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from training.models.config import MIXERS_OF  # noqa: E402

MIXING = [name for name in MIXERS_OF if name != "mat_dec"]
few = settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def chains(draw):
    agents = draw(st.integers(1, 9))
    return agents, draw(st.permutations(range(agents))), draw(st.integers(0, agents - 1))


@pytest.mark.parametrize("name", MIXING)
@few
@given(chain=chains())
def test_an_action_changes_its_successors_in_the_chain_and_nobody_else(shaken_policy, name, chain):
    agents, order, slot = chain
    policy, order = shaken_policy(name, agents), torch.tensor(order)
    obs, actions = torch.randn(2, agents, 5).double(), torch.randn(2, agents, 2).double()
    changed = actions.clone()
    changed[:, order[slot]] += 1.0
    before, after = (policy.distribution(obs, chosen, order) for chosen in (actions, changed))
    moved = (after - before).abs().amax((0, 2)) > 1e-12
    assert moved[order].tolist() == [False] * (slot + 1) + [True] * (agents - slot - 1)


@pytest.mark.parametrize("name", MIXERS_OF)
@few
@given(chain=chains())
def test_an_observation_reaches_every_agent_through_a_bidirectional_encoder(shaken_policy, name, chain):
    agents, order, slot = chain
    policy = shaken_policy(name, agents, encoder_bidirectional=True)
    order = torch.tensor(order)
    obs, actions = torch.randn(2, agents, 5).double(), torch.randn(2, agents, 2).double()
    changed = obs.clone()
    changed[:, order[slot], 0] += 1.0
    assert ((policy.values(changed, order) - policy.values(obs, order)).abs().amax((0, 2)) > 1e-12).all()
    means = (policy.distribution(changed, actions, order) - policy.distribution(obs, actions, order)).abs().amax((0, 2))
    if name == "mat_dec":  # the actor of MAT-Dec reads the agent's own observation only
        assert (means > 1e-12).nonzero().flatten().tolist() == [int(order[slot])]
    else:
        assert (means > 1e-12).all()


@pytest.mark.parametrize("name", ["marwkv4", "marwkv5", "marwkv6", "marwkv7"])
def test_the_published_rwkv_encoder_hides_later_agents_from_earlier_ones(shaken_policy, name):
    policy = shaken_policy(name, 5)
    obs = torch.randn(2, 5, 5).double()
    changed = obs.clone()
    changed[:, 2, 0] += 1.0  # one number: the first norm would remove a shift of all numbers
    moved = (policy.values(changed) - policy.values(obs)).abs().amax((0, 2)) > 1e-12
    assert moved.tolist() == [False, False, True, True, True]


@pytest.mark.parametrize("name", MIXERS_OF)
@few
@given(order=st.permutations(range(5)))
def test_any_order_of_the_agents_is_evaluated_as_it_was_acted(shaken_policy, name, order):
    policy, order = shaken_policy(name, 5, agent_id=True), torch.tensor(order)
    obs = torch.randn(3, 5, 5).double()
    actions, decided, values = policy.act(obs, order=order)
    log_probs, _, same_values = policy.evaluate(obs, actions, order=order)
    assert (log_probs - decided).abs().max() < 1e-10 and (values - same_values).abs().max() < 1e-10


def test_without_an_id_agents_that_see_the_same_encode_the_same_and_with_it_they_do_not(shaken_policy):
    obs = torch.randn(1, 1, 5).double().expand(2, 4, 5)
    plain, told = (shaken_policy("mat", 4, agent_id=agent_id).encode(obs) for agent_id in (False, True))
    assert torch.allclose(plain[:, 0], plain[:, 3], rtol=0, atol=1e-12)
    assert (told[:, 0] - told[:, 3]).abs().max() > 1e-3
