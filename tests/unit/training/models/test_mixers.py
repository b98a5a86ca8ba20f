# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The parallel form and the step form of every mixer are equal. The parallel WKV equals its equation."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from torch import nn  # noqa: E402

from training.models import wkv_reference as wkv  # noqa: E402
from training.models.attention import DecoderBlock, SelfAttention  # noqa: E402
from training.models.config import RWKV_MIXERS  # noqa: E402
from training.models.rwkv import ChannelMix, RwkvBlock  # noqa: E402

BOUND = {torch.float64: 1e-10, torch.float32: 2e-5}
WIDTH = 16


def shaken(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return module.to(dtype)


def initial(parts, batch: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.cat([torch.full((batch, part.size), part.initial, dtype=dtype) for part in parts], dim=-1)


@pytest.mark.parametrize("dtype", BOUND, ids=["float64", "float32"])
@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("slots", [1, 2, 6, 26, 52])
@pytest.mark.parametrize("version", RWKV_MIXERS)
def test_an_rwkv_block_steps_as_it_sees_in_parallel(version, slots, batch, dtype):
    torch.manual_seed(slots)
    heads = 1 + slots % 2
    block = shaken(RwkvBlock(version, WIDTH, heads, index=0, blocks=2, bidirectional=False), dtype)
    x = torch.randn(batch, slots, WIDTH, dtype=dtype)
    state = initial(RwkvBlock.state_parts(version, WIDTH, heads), batch, dtype)
    stepped = []
    for slot in range(slots):
        y, state = block.step(x[:, slot], state)
        stepped.append(y)
    assert (torch.stack(stepped, 1) - block.parallel(x)).abs().max() <= BOUND[dtype]


@pytest.mark.parametrize("dtype", BOUND, ids=["float64", "float32"])
@pytest.mark.parametrize("slots", [1, 2, 6, 26, 52])
@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("training", [False, True], ids=["fused", "absorbed"])
def test_an_attention_block_steps_as_it_sees_in_parallel(training, heads, slots, dtype):
    torch.manual_seed(slots)
    block = shaken(DecoderBlock(WIDTH, heads), dtype)
    x, enc = torch.randn(2, 7, slots, WIDTH, dtype=dtype)
    with torch.set_grad_enabled(training):
        expected = block.parallel(x, enc)
    past = x.new_zeros(7, 0, 4 * WIDTH)
    for slot in range(slots):
        y, row = block.step(x[:, slot], enc[:, slot], past)
        past = torch.cat([past, row.unsqueeze(1)], dim=1)
        assert (y - expected[:, slot]).abs().max() <= BOUND[dtype]


def test_bidirectional_attention_has_no_favourite_slot():
    mixer = shaken(SelfAttention(WIDTH, heads=2, causal=False), torch.float64)
    x, order = torch.randn(3, 6, WIDTH).double(), torch.tensor([4, 0, 5, 1, 3, 2])
    assert torch.allclose(mixer.parallel(x[:, order]), mixer.parallel(x)[:, order], rtol=0, atol=1e-12)


def test_wkv4_is_the_weighted_average_of_its_equation():
    torch.manual_seed(0)
    k, v, rate, bonus = torch.randn(1, 5, 3), torch.randn(1, 5, 3), torch.rand(3), torch.randn(3)
    for bidirectional in (False, True):
        out = wkv.wkv4(k.double(), v.double(), rate.double(), bonus.double(), bidirectional=bidirectional)
        for t in range(5):
            weights = [
                torch.exp(bonus + k[0, t]) if i == t else torch.exp(k[0, i] - (abs(t - i) - 1) * rate)
                for i in range(5 if bidirectional else t + 1)
            ]
            total = sum(weight * v[0, i] for i, weight in enumerate(weights)) / sum(weights)
            assert torch.allclose(out[0, t].float(), total, rtol=0, atol=1e-5)


@pytest.mark.parametrize("per_slot", [False, True], ids=["rwkv5", "rwkv6"])
def test_matrix_wkv_reads_both_directions_as_one_read_from_each_end(per_slot):
    torch.manual_seed(0)
    r, k, v = torch.randn(3, 2, 6, 2, 4).double()
    rate = (torch.rand(2, 6, 2, 4) if per_slot else torch.rand(2, 4)).double()
    bonus = torch.randn(2, 4).double()
    form = wkv.wkv6 if per_slot else wkv.wkv5
    flipped = (r.flip(1), k.flip(1), v.flip(1), rate.flip(1) if per_slot else rate)
    forward, backward = form(r, k, v, rate, bonus), form(*flipped, torch.zeros_like(bonus)).flip(1)
    assert torch.allclose(form(r, k, v, rate, bonus, bidirectional=True), forward + backward, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("log_decay", [-1e4, 0.0, 5.0, 88.0, 1e4])
def test_wkv_stays_finite_and_equal_at_the_limits_of_key_and_decay(size, log_decay):
    torch.manual_seed(0)
    r, k, v = (size * torch.randn(3, 2, 8, 1, 4)).unbind(0)
    k[:, ::2] = size
    k[:, 1::2] = -size
    rate, bonus = wkv.decay_rate(torch.full((1, 4), log_decay)), torch.randn(1, 4)
    inputs = [x.clone().requires_grad_() for x in (r, k, v, rate, bonus)]
    q, key, value, w, u = inputs
    average = wkv.wkv4(key.flatten(2), value.flatten(2), w.flatten(), u.flatten())
    constant, varying = wkv.wkv5(q, key, value, w, u), wkv.wkv6(q, key, value, w.expand_as(q), u)
    (average.sum() + constant.sum() + varying.sum()).backward()
    assert all(torch.isfinite(x.grad).all() for x in inputs)

    state = (torch.zeros(2, 4), torch.zeros(2, 4), torch.full((2, 4), wkv.NEVER))
    memory = torch.zeros(2, 1, 4, 4)
    for t in range(8):
        out, state = wkv.wkv4_step(k[:, t, 0], v[:, t, 0], rate[0], bonus[0], state)
        assert torch.allclose(out, average[:, t].detach(), rtol=2e-5, atol=2e-5 * size)
        out, memory = wkv.wkv5_step(r[:, t], k[:, t], v[:, t], rate, bonus, memory)
        scale = float(constant.detach().abs().max())
        assert (out - constant[:, t].detach()).abs().max() <= 2e-5 * scale
        assert (out - varying[:, t].detach()).abs().max() <= 2e-5 * scale


@pytest.mark.parametrize("version", RWKV_MIXERS)
@pytest.mark.parametrize("size", [1e-4, 1e4])
def test_a_block_survives_extreme_weights_without_nan(version, size):
    torch.manual_seed(0)
    block = shaken(RwkvBlock(version, WIDTH, 2, index=0, blocks=1, bidirectional=False), torch.float32)
    with torch.no_grad():
        block.mixer.key.weight.mul_(size)
    x = torch.randn(3, 9, WIDTH, requires_grad=True)
    y = block.parallel(x)
    y.sum().backward()
    assert torch.isfinite(y).all() and torch.isfinite(x.grad).all()


def test_the_gradients_of_the_reference_forms_are_those_of_finite_differences():
    torch.manual_seed(0)
    r, k, v, remove = (torch.randn(4, 1, 3, 1, 2).double()).unbind(0)
    rate, bonus = torch.rand(1, 2).double(), torch.randn(1, 2).double()
    leaves = [x.clone().requires_grad_() for x in (r, k, v, rate, bonus)]
    per_slot = torch.rand(1, 3, 1, 2).double().requires_grad_()
    kappa = nn.functional.normalize(remove, dim=-1).requires_grad_()
    flat = [leaves[1].detach().flatten(2).requires_grad_(), leaves[2].detach().flatten(2).requires_grad_()]
    constants = [rate.flatten().requires_grad_(), bonus.flatten().requires_grad_()]
    assert torch.autograd.gradcheck(wkv.wkv4, (*flat, *constants))
    assert torch.autograd.gradcheck(wkv.wkv5, tuple(leaves))
    assert torch.autograd.gradcheck(wkv.wkv6, (*leaves[:3], per_slot, leaves[4]))
    assert torch.autograd.gradcheck(wkv.wkv7, (*leaves[:3], per_slot, kappa, kappa))


def test_half_precision_inputs_are_computed_in_float32():
    torch.manual_seed(0)
    k, v = torch.randn(2, 1, 6, 4).bfloat16()
    rate, bonus = torch.rand(4), torch.randn(4)
    assert torch.equal(wkv.wkv4(k, v, rate, bonus), wkv.wkv4(k.float(), v.float(), rate, bonus))


def test_the_channel_mixer_remembers_one_slot():
    mixer = shaken(ChannelMix(WIDTH, gated=True), torch.float64)
    x = torch.randn(1, 5, WIDTH).double()
    changed = x.clone()
    changed[:, 1] += 1.0
    moved = (mixer.parallel(changed) - mixer.parallel(x)).abs().amax((0, 2)) > 0
    assert moved.tolist() == [False, True, True, False, False]
