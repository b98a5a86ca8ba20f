# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compute MAT the plain way: the slow reference for tests, and the baseline for benchmarks.

Query, key and value have separate projections. Attention is written out with its mask. A distribution object holds the
actions. Decoding runs the whole decoder over all n slots n times and keeps one slot of each run.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from training.models.actions import GaussianActions
from training.models.attention import CrossAttention, DecoderBlock, EncoderBlock, SelfAttention
from training.models.decoder import AttentionDecoder
from training.models.policy import Policy


class PlainAttention(nn.Module):
    """Project three times, mask with -inf, apply the softmax, weigh, and project."""

    def __init__(self, source: SelfAttention | CrossAttention) -> None:
        super().__init__()
        self.heads, self.out = source.heads, source.out
        self.causal = isinstance(source, CrossAttention) or source.causal
        if isinstance(source, SelfAttention):
            self.query, self.key, self.value = _unfuse(source.query_key_value, 3)
        else:
            self.query = source.query
            self.key, self.value = _unfuse(source.key_value, 2)

    def forward(self, asking: Tensor, asked: Tensor) -> Tensor:  # (B, n, d), (B, n, d) -> (B, n, d)
        batch, slots, width = asking.shape
        shape = (batch, slots, self.heads, width // self.heads)
        q = self.query(asking).view(shape).transpose(1, 2)
        k = self.key(asked).view(shape).transpose(1, 2)
        v = self.value(asked).view(shape).transpose(1, 2)
        score = q @ k.transpose(-2, -1) * (1.0 / math.sqrt(k.shape[-1]))
        if self.causal:
            allowed = torch.tril(torch.ones(slots, slots, dtype=torch.bool, device=asking.device))
            score = score.masked_fill(~allowed, float("-inf"))
        mixed = torch.softmax(score, dim=-1) @ v
        return self.out(mixed.transpose(1, 2).contiguous().view(batch, slots, width))


class PlainMat(nn.Module):
    """Hold unfused copies of a continuous MAT policy's weights and compute everything plainly."""

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        if policy.config.encoder != "attention" or not isinstance(policy.decoder, AttentionDecoder):
            raise ValueError(f"expected a MAT policy, got {policy.config}; build one with policy_config('mat', ...)")
        if not isinstance(policy.actions, GaussianActions):
            raise ValueError(f"expected continuous actions, got {policy.config}; build a policy that is not discrete")
        self.policy = policy
        self.encoder_attention = nn.ModuleList(PlainAttention(block.mixer) for block in _encoder_blocks(policy))
        self.self_attention = nn.ModuleList(PlainAttention(block.mixer) for block in _decoder_blocks(policy))
        self.cross_attention = nn.ModuleList(PlainAttention(block.cross) for block in _decoder_blocks(policy))
        self.gelu = nn.GELU()

    def encode(self, obs: Tensor) -> tuple[Tensor, Tensor]:  # (B, n, obs_dim) -> (B, n, d), (B, n, 1)
        encoder, value = self.policy.encoder, self.policy.value_head
        x = encoder.embed_norm(self.gelu(encoder.embed(encoder.observation_norm(obs))))
        for block, attention in zip(_encoder_blocks(self.policy), self.encoder_attention, strict=True):
            x = block.mixer_norm(x + attention(x, x))
            x = block.mlp_norm(x + block.mlp.out(self.gelu(block.mlp.hidden(x))))
        return x, value.out(value.norm(self.gelu(value.hidden(x))))

    def decode(self, enc: Tensor, a_prev: Tensor) -> Tensor:  # (B, n, d), (B, n, act_dim) -> (B, n, act_dim)
        decoder = self.policy.decoder
        assert isinstance(decoder, AttentionDecoder)
        x = decoder.embed_norm(self.gelu(decoder.embed(a_prev)))
        attentions = zip(self.self_attention, self.cross_attention, strict=True)
        for block, (self_attention, cross_attention) in zip(_decoder_blocks(self.policy), attentions, strict=True):
            x = block.mixer_norm(x + self_attention(x, x))
            x = block.cross_norm(enc + cross_attention(enc, x))
            x = block.mlp_norm(x + block.mlp.out(self.gelu(block.mlp.hidden(x))))
        return decoder.head.out(decoder.head.norm(self.gelu(decoder.head.hidden(x))))

    @torch.no_grad()
    def act(self, obs: Tensor, deterministic: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        enc, values = self.encode(obs)
        return *decide_naively(self.decode, enc, self._std(), deterministic), values

    def evaluate(self, obs: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        enc, values = self.encode(obs)
        a_prev = torch.zeros_like(actions)
        a_prev[:, 1:] = actions[:, :-1]
        distribution = Normal(self.decode(enc, a_prev), self._std())
        return distribution.log_prob(actions), distribution.entropy(), values

    def _std(self) -> Tensor:
        assert isinstance(self.policy.actions, GaussianActions)
        return torch.sigmoid(self.policy.actions.log_std) * self.policy.config.std_scale


def decide_naively(
    decode: Callable[[Tensor, Tensor], Tensor], enc: Tensor, std: Tensor, deterministic: bool = False
) -> tuple[Tensor, Tensor]:
    """Return actions and log-probabilities, (B, n, act_dim). Run the whole decoder once for every slot."""
    a_prev = enc.new_zeros(*enc.shape[:2], std.shape[0])
    actions, log_probs = torch.zeros_like(a_prev), torch.zeros_like(a_prev)
    for slot in range(enc.shape[1]):
        distribution = Normal(decode(enc, a_prev)[:, slot], std)
        action = distribution.mean if deterministic else distribution.sample()
        actions[:, slot], log_probs[:, slot] = action, distribution.log_prob(action)
        if slot + 1 < enc.shape[1]:
            a_prev[:, slot + 1] = action
    return actions, log_probs


def _encoder_blocks(policy: Policy) -> list[EncoderBlock]:
    return [block for block in policy.encoder.blocks if isinstance(block, EncoderBlock)]


def _decoder_blocks(policy: Policy) -> list[DecoderBlock]:
    assert isinstance(policy.decoder, AttentionDecoder)
    return list(policy.decoder.blocks)


def _unfuse(layer: nn.Linear, parts: int) -> list[nn.Linear]:
    """Return separate copies of the parts of a stacked projection."""
    separate = []
    for weight, bias in zip(layer.weight.detach().chunk(parts), layer.bias.detach().chunk(parts), strict=True):
        part = nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype)
        part.weight.data.copy_(weight)
        part.bias.data.copy_(bias)
        separate.append(part)
    return separate
