# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compiling changes the speed of a policy, and neither its decisions nor its gradients."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from training.models import build_policy, policy_config  # noqa: E402
from training.models import compiled as compiled_module  # noqa: E402
from training.models.compiled import UNROLLED_SLOTS, compile_forms  # noqa: E402

BOUND = 1e-10


def shaken(name: str, agents: int):
    torch.manual_seed(1)
    policy = build_policy(policy_config(name, agents, 5, 2, width=16)).double()
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return policy


@pytest.mark.train
@pytest.mark.slow
@pytest.mark.parametrize(("name", "agents"), [("mat", 3), ("marwkv4", UNROLLED_SLOTS + 1)], ids=["tick", "step"])
def test_compiled_forms_decide_and_learn_as_the_plain_methods_do(name, agents):
    policy = shaken(name, agents)
    forms = compile_forms(policy)
    obs = torch.randn(4, agents, 5).double()
    plain, fast = (form(obs, generator=torch.Generator().manual_seed(5)) for form in (policy.act, forms.act))
    for expected, got in zip(plain, fast, strict=True):
        assert (expected - got).abs().max() <= BOUND
    gradients = []
    for evaluate in (policy.evaluate, forms.evaluate):
        policy.zero_grad()
        log_probs, entropy, values = evaluate(obs, plain[0])
        (log_probs.mean() + entropy.mean() + values.square().mean()).backward()
        gradients.append([parameter.grad.clone() for parameter in policy.parameters() if parameter.grad is not None])
    largest = max(float(grad.abs().max()) for grad in gradients[0])
    for expected, got in zip(*gradients, strict=True):
        assert (expected - got).abs().max() <= BOUND * largest

    with torch.no_grad():  # the compiled forms read the weights in place
        policy.decoder.head.out.bias.add_(1.0)
    after = forms.act(obs, generator=torch.Generator().manual_seed(5))[0]
    assert (after[:, 0] - plain[0][:, 0] - 1.0).abs().max() <= BOUND


def test_without_a_compiler_the_plain_methods_are_given(monkeypatch):
    monkeypatch.setattr(compiled_module.shutil, "which", lambda name: None)
    policy = shaken("mat", 3)
    assert compile_forms(policy).act == policy.act
