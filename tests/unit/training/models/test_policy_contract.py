# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A policy keeps its contract: configuration, state layout, start token, parameter counts, and the plain reference."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

import yaml  # noqa: E402

from training.models import PolicyConfig, build_policy, policy_config  # noqa: E402
from training.models.config import MIXERS_OF  # noqa: E402
from training.models.reference import PlainMat  # noqa: E402


def parameters(policy) -> int:
    return sum(parameter.numel() for parameter in policy.parameters())


@pytest.mark.parametrize(
    ("name", "published", "never_used"),
    [("mat", 80_641, 3_428), ("mat_dec", 38_529, 2_506), ("marwkv4", 121_217, 3_428)],
)
def test_a_policy_has_the_published_parameters_less_those_that_the_published_code_never_uses(
    name, published, never_used
):
    assert parameters(build_policy(policy_config(name, 6, 13, 1))) == published - never_used


@pytest.mark.parametrize("name", MIXERS_OF)
def test_every_parameter_takes_part_in_training(shaken_policy, name):
    policy = shaken_policy(name, 6, blocks=2, heads=2)
    log_probs, entropy, values = policy.evaluate(torch.randn(4, 6, 5).double(), torch.randn(4, 6, 2).double())
    (log_probs.sum() + entropy.sum() + values.square().sum()).backward()
    idle = [key for key, parameter in policy.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert idle == []


@pytest.mark.parametrize("name", MIXERS_OF)
def test_a_configuration_survives_yaml(name):
    config = policy_config(name, 2, 3, 2, discrete=True, action_mask=((True, False), (True, True)))
    assert PolicyConfig.from_dict(yaml.safe_load(yaml.safe_dump(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder": "lstm"}, "expected an encoder mixer"),
        ({"decoder": "lstm"}, "expected a decoder mixer"),
        ({"heads": 3}, "width divisible by 3 heads"),
        ({"blocks": 0}, "expected blocks >= 1"),
        ({"action_mask": ((True,),)}, "expected action_mask of shape"),
        ({"observation_mask": ((False,) * 5,) * 6}, "to keep a dimension"),
    ],
)
def test_a_policy_that_cannot_be_built_is_refused_in_one_sentence(change, message):
    with pytest.raises(ValueError, match=message):
        policy_config("mat", 6, 5, 1, **change)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="expected a policy of"):
        policy_config("lstm", 6, 5, 1)
    with pytest.raises(ValueError, match="expected fields of PolicyConfig"):
        PolicyConfig.from_dict({**policy_config("mat", 6, 5, 1).to_dict(), "colour": 1})


def test_an_observation_of_another_shape_is_refused(shaken_policy):
    with pytest.raises(ValueError, match=r"expected observations of shape \(batch, 6, 5\), got \(2, 6, 4\)"):
        shaken_policy("mat", 6).encode(torch.zeros(2, 6, 4).double())


def test_the_rwkv4_state_is_five_named_vectors_per_block(shaken_policy):
    layout = shaken_policy("marwkv4", 3, blocks=2).state_layout()
    assert [part.name for part in layout.parts] == ["att_x", "num", "den", "max", "ffn_x"]
    assert layout.shape(7, slot=2) == (7, 2 * 5 * 16) and layout.offsets()["1.max"] == (128, 144)


@pytest.mark.parametrize("version", [5, 6, 7])
def test_the_matrix_state_is_one_matrix_per_head_between_two_shifts(shaken_policy, version):
    layout = shaken_policy(f"marwkv{version}", 3, heads=2).state_layout()
    assert [(part.name, part.shape) for part in layout.parts] == [
        ("att_x", (16,)),
        ("wkv", (2, 8, 8)),
        ("ffn_x", (16,)),
    ]


def test_the_attention_state_is_one_row_of_keys_and_values_per_decided_slot(shaken_policy):
    layout = shaken_policy("mat", 3, blocks=2).state_layout()
    assert [part.name for part in layout.parts] == ["self_key", "self_value", "cross_key", "cross_value"]
    assert layout.shape(7, slot=0) == (7, 0, 128) and [layout.floats_into(slot) for slot in range(3)] == [0, 128, 256]


def test_mat_dec_carries_nothing_and_reads_the_raw_observation(shaken_policy):
    policy = shaken_policy("mat_dec", 3)
    obs = torch.randn(2, 3, 5).double()
    assert policy.initial_state(2).shape == (2, 0) and torch.equal(policy.encode(obs), obs)


def test_the_start_token_is_zeros_or_the_first_column(shaken_policy):
    assert not shaken_policy("mat", 2).start_action(3).any()
    discrete = shaken_policy("mat", 2, act_dim=4, discrete=True)
    assert torch.equal(discrete.start_action(1), torch.tensor([[1.0, 0, 0, 0, 0]]).double())
    assert torch.equal(discrete.action_input(torch.tensor([[2]])), torch.tensor([[0, 0, 0, 1.0, 0]]).double())


def test_parameter_names_are_the_ones_that_the_runtime_reads():
    names = {name: dict(build_policy(policy_config(name, 6, 13, 1)).named_parameters()) for name in ("mat", "marwkv4")}
    assert names["mat"]["decoder.blocks.0.mixer.query_key_value.weight"].shape == (192, 64)
    assert names["mat"]["decoder.blocks.0.cross.key_value.bias"].shape == (128,)
    assert names["marwkv4"]["decoder.blocks.0.mixer.log_decay"].shape == (64,)
    assert names["marwkv4"]["encoder.blocks.0.channel.value.weight"].shape == (64, 256)
    assert {"actions.log_std", "value_head.out.bias", "decoder.head.hidden.weight"} <= names["mat"].keys()


@pytest.mark.parametrize("heads", [1, 2])
def test_the_fast_policy_computes_what_the_plain_one_does(shaken_policy, heads):
    policy = shaken_policy("mat", 6, heads=heads, blocks=2)
    plain = PlainMat(policy)
    obs, actions = torch.randn(4, 6, 5).double(), torch.randn(4, 6, 2).double()
    for fast, slow in zip(policy.evaluate(obs, actions), plain.evaluate(obs, actions), strict=True):
        assert (fast - slow).abs().max() < 1e-10
    for fast, slow in zip(policy.act(obs, True), plain.act(obs, True), strict=True):
        assert (fast - slow).abs().max() < 1e-10


def test_absorbing_projections_leaves_every_gradient_as_it_was(shaken_policy):
    policy = shaken_policy("mat", 6)
    plain = PlainMat(policy)
    obs, actions = torch.randn(4, 6, 5).double(), torch.randn(4, 6, 2).double()
    gradients = {}
    for model in (policy, plain):
        model.zero_grad()
        log_probs, _, values = model.evaluate(obs, actions)
        (log_probs.sum() + values.square().sum()).backward()
        gradients[model] = {key: p.grad.clone() for key, p in model.named_parameters() if p.grad is not None}
    fused = gradients[policy]["decoder.blocks.0.mixer.query_key_value.weight"].chunk(3)
    for part, name in zip(fused, ("query", "key", "value"), strict=True):
        assert torch.allclose(part, gradients[plain][f"self_attention.0.{name}.weight"], rtol=1e-8, atol=1e-10)
    own, twin = gradients[policy]["encoder.embed.weight"], gradients[plain]["policy.encoder.embed.weight"]
    assert torch.allclose(own, twin, rtol=1e-8, atol=1e-10)
