# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Map (encoding of slot i, action of slot i-1, state) to slot i's distribution parameters, by three decoders.

`parallel` computes all slots of known actions (training). `step` computes one slot (decoding). Tests prove the two
forms equal.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.models.attention import DecoderBlock
from training.models.config import PolicyConfig
from training.models.layers import BEFORE_GELU, Head, linear
from training.models.rwkv import RwkvBlock
from training.models.state import HopLayout


class AttentionDecoder(nn.Module):
    """Decode by attention, as in MAT. The state grows by one row per decided slot: (B, i, blocks * 4 * d)."""

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        d = config.width
        self.layout = HopLayout("rows", config.blocks, DecoderBlock.state_parts(d))
        self.embed = linear(config.action_input_dim, d, BEFORE_GELU, bias=not config.discrete)
        self.embed_norm = nn.LayerNorm(d)
        blocks = nn.ModuleList(DecoderBlock(d, config.heads) for _ in range(config.blocks))
        self.blocks = cast("list[DecoderBlock]", blocks)
        self.head = Head(d, config.act_dim)

    def parallel(self, enc: Tensor, a_prev: Tensor) -> Tensor:  # (B, n, d), (B, n, action_input) -> (B, n, act_dim)
        x = self.embed_norm(F.gelu(self.embed(a_prev)))
        for block in self.blocks:
            x = block.parallel(x, enc)
        return self.head(x)

    def step(self, enc_i: Tensor, a_prev: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        x_i = self.embed_norm(F.gelu(self.embed(a_prev)))
        rows = []
        for block, past in zip(self.blocks, state.chunk(len(self.blocks), dim=-1), strict=True):
            x_i, row = block.step(x_i, enc_i, past)
            rows.append(row)
        row = rows[0] if len(rows) == 1 else torch.cat(rows, dim=-1)
        return self.head(x_i), torch.cat([state, row.unsqueeze(1)], dim=1)


class RwkvDecoder(nn.Module):
    """Decode by RWKV, as in MARWKV: add the predecessor's action to the encoding, then run a recurrent stack.

    The stack runs along the slots. Its state has a constant size: (B, blocks * S), where S depends on the version only.
    """

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        d = config.width
        self.layout = HopLayout("recurrent", config.blocks, RwkvBlock.state_parts(config.decoder, d, config.heads))
        self.embed = linear(config.action_input_dim, d, BEFORE_GELU, bias=not config.discrete)
        blocks = nn.ModuleList(
            RwkvBlock(config.decoder, d, config.heads, i, config.blocks, bidirectional=False)
            for i in range(config.blocks)
        )
        self.blocks = cast("list[RwkvBlock]", blocks)
        self.final_norm = nn.LayerNorm(d)
        self.head = Head(d, config.act_dim)

    def parallel(self, enc: Tensor, a_prev: Tensor) -> Tensor:  # (B, n, d), (B, n, action_input) -> (B, n, act_dim)
        x = F.gelu(self.embed(a_prev)) + enc
        for block in self.blocks:
            x = block.parallel(x)
        return self.head(self.final_norm(x))

    def step(self, enc_i: Tensor, a_prev: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        x_i = F.gelu(self.embed(a_prev)) + enc_i
        states = []
        for block, block_state in zip(self.blocks, state.chunk(len(self.blocks), dim=-1), strict=True):
            x_i, block_state = block.step(x_i, block_state)
            states.append(block_state)
        return self.head(self.final_norm(x_i)), states[0] if len(states) == 1 else torch.cat(states, dim=-1)


class IndependentDecoder(nn.Module):
    """Decode as in MAT-Dec: one shared network reads the agent's own observation. The state is empty, (B, 0)."""

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        d = config.width
        self.layout = HopLayout("empty", config.blocks, ())
        self.observation_norm = nn.LayerNorm(config.observation_width)
        self.embed = linear(config.observation_width, d, BEFORE_GELU)
        self.embed_norm = nn.LayerNorm(d)
        self.head = Head(d, config.act_dim)

    def parallel(self, enc: Tensor, a_prev: Tensor) -> Tensor:  # (B, n, observation_width) -> (B, n, act_dim)
        del a_prev
        return self.head(self.embed_norm(F.gelu(self.embed(self.observation_norm(enc)))))

    def step(self, enc_i: Tensor, a_prev: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return self.parallel(enc_i, a_prev), state


Decoder = AttentionDecoder | RwkvDecoder | IndependentDecoder


def build_decoder(config: PolicyConfig) -> Decoder:
    """Return the decoder of the configured mixer."""
    if config.decoder == "none":
        return IndependentDecoder(config)
    return AttentionDecoder(config) if config.decoder == "attention" else RwkvDecoder(config)
