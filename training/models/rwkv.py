# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Build the RWKV block that every version shares: a time mixer, then a channel mixer, both with token shift.

    x = x + time_mix(LN(x));  x = x + channel_mix(LN(x))
    channel_mix: sigmoid(W_r x'_r) ⊙ W_v relu(W_k x'_k)²           (version 7 leaves the gate out)

Each version of the time mixer has its own module.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.models.layers import blend, linear, previous_slot
from training.models.rwkv4 import TimeMix4
from training.models.rwkv5 import TimeMix5
from training.models.rwkv6 import TimeMix6
from training.models.rwkv7 import TimeMix7
from training.models.state import StatePart

TimeMix = TimeMix4 | TimeMix5 | TimeMix6 | TimeMix7
TIME_MIX: dict[str, type[TimeMix4] | type[TimeMix5] | type[TimeMix6] | type[TimeMix7]] = {
    "rwkv4": TimeMix4,
    "rwkv5": TimeMix5,
    "rwkv6": TimeMix6,
    "rwkv7": TimeMix7,
}


class ChannelMix(nn.Module):
    """Transform each slot from its own row and the previous slot's, with a hidden layer four times as wide."""

    def __init__(self, width: int, *, gated: bool) -> None:
        super().__init__()
        self.gated = gated
        ramp = torch.arange(width) / width
        self.mix_key = nn.Parameter(ramp.clone())
        self.key = linear(width, 4 * width, 2.0, bias=False)
        if gated:
            self.mix_receptance = nn.Parameter(ramp.clone())
            self.receptance = linear(width, width, 0.0, bias=False)
        self.value = linear(4 * width, width, 0.0, bias=False)

    @staticmethod
    def state_parts(width: int) -> tuple[StatePart, ...]:
        """Return the one vector of memory: the input of the previous slot."""
        return (StatePart("ffn_x", (width,)),)

    def parallel(self, x: Tensor) -> Tensor:  # (B, n, d) -> (B, n, d)
        return self._think(x, previous_slot(x))

    def step(self, x_i: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:  # (B, d), (B, d) -> (B, d), (B, d)
        return self._think(x_i, state), x_i

    def _think(self, x: Tensor, before: Tensor) -> Tensor:
        if not self.gated:
            return self.value(torch.relu(self.key(blend(x, before, self.mix_key)[0])).square())
        for_key, for_gate = blend(x, before, self.mix_key, self.mix_receptance)
        hidden = torch.relu(self.key(for_key)).square()
        return torch.sigmoid(self.receptance(for_gate)) * self.value(hidden)


class RwkvBlock(nn.Module):
    """Compute one pre-LN block of any RWKV version. Its state is the time mixer's, then the channel mixer's."""

    def __init__(self, version: str, width: int, heads: int, index: int, blocks: int, *, bidirectional: bool) -> None:
        super().__init__()
        depth = index / (blocks - 1) if blocks > 1 else 1.0  # 0 for the first block, 1 for the last (or only) one
        self.mixer_norm = nn.LayerNorm(width, bias=False)
        self.mixer: TimeMix = TIME_MIX[version](width, heads, depth, bidirectional=bidirectional)
        self.channel_norm = nn.LayerNorm(width, bias=False)
        self.channel = ChannelMix(width, gated=version != "rwkv7")
        self.width = width

    @staticmethod
    def state_parts(version: str, width: int, heads: int) -> tuple[StatePart, ...]:
        """Return one block's memory in the order in which the memory travels."""
        return (*TIME_MIX[version].state_parts(width, heads), *ChannelMix.state_parts(width))

    def parallel(self, x: Tensor) -> Tensor:  # (B, n, d) -> (B, n, d)
        x = x + self.mixer.parallel(self.mixer_norm(x))
        return x + self.channel.parallel(self.channel_norm(x))

    def step(self, x_i: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:  # (B, d), (B, S) -> (B, d), (B, S)
        time_state, channel_state = state.tensor_split([state.shape[-1] - self.width], dim=-1)
        mixed, time_state = self.mixer.step(self.mixer_norm(x_i), time_state)
        x_i = x_i + mixed
        mixed, channel_state = self.channel.step(self.channel_norm(x_i), channel_state)
        return x_i + mixed, torch.cat([time_state, channel_state], dim=-1)
