# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Encode a joint observation into one row per slot. The encoder runs once per tick."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from training.models.attention import EncoderBlock
from training.models.config import PolicyConfig
from training.models.layers import BEFORE_GELU, linear
from training.models.rwkv import RwkvBlock


class MixingEncoder(nn.Module):
    """Embed each agent's observation, then mix the agents' rows.

    Attention mixes all rows with all. RWKV is causal as published: slot i depends on the observations of slots <= i.
    The configuration can make RWKV bidirectional.
    """

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        d = config.width
        self.observation_norm = nn.LayerNorm(config.observation_width)
        self.embed = linear(config.observation_width, d, BEFORE_GELU)
        self.embed_norm = nn.LayerNorm(d)
        blocks: list[EncoderBlock] | list[RwkvBlock]
        if config.encoder == "attention":
            blocks = [EncoderBlock(d, config.heads) for _ in range(config.blocks)]
            self.final_norm: nn.Module = nn.Identity()  # a post-LN block already ends in a norm
        else:
            blocks = [
                RwkvBlock(config.encoder, d, config.heads, i, config.blocks, bidirectional=config.encoder_bidirectional)
                for i in range(config.blocks)
            ]
            self.final_norm = nn.LayerNorm(d)
        self.blocks = cast("list[EncoderBlock] | list[RwkvBlock]", nn.ModuleList(blocks))

    def forward(self, obs: Tensor) -> Tensor:  # (B, n, observation_width) -> (B, n, d)
        x = self.embed_norm(F.gelu(self.embed(self.observation_norm(obs))))
        for block in self.blocks:
            x = block.parallel(x)
        return self.final_norm(x)
