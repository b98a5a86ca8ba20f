# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Mix time by RWKV-4: a moving average per channel, weighted by keys, with slots in the place of time.

    x'_c = x_i ⊙ μ_c + x_{i-1} ⊙ (1 - μ_c)                 c in {key, value, receptance}
    k = W_k x'_k,  v = W_v x'_v,  r = sigmoid(W_r x'_r)
    out = W_o (r ⊙ wkv4(k, v))

The recurrence stands beside the two forms of wkv4 in wkv_reference.py.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from training.models.layers import blend, linear, previous_slot
from training.models.state import StatePart
from training.models.wkv import wkv4
from training.models.wkv_reference import NEVER, at_least_float32, decay_rate, wkv4_step


class TimeMix4(nn.Module):
    """Mix across slots with constant-size memory: five vectors per block, two of which are token shifts."""

    def __init__(self, width: int, heads: int, depth: float, *, bidirectional: bool = False) -> None:
        super().__init__()
        del heads  # every channel is its own head
        self.bidirectional = bidirectional
        ramp = torch.arange(width) / width
        self.mix_key = nn.Parameter(ramp.clone())
        self.mix_value = nn.Parameter(ramp + 0.3 * depth)
        self.mix_receptance = nn.Parameter(ramp.sqrt())
        channel = torch.arange(width) / max(1, width - 1)
        self.log_decay = nn.Parameter(-5.0 + 8.0 * channel ** (0.7 + 1.3 * depth))
        zigzag = (torch.arange(width) + 1) % 3 - 1
        self.bonus = nn.Parameter(math.log(0.3) + 0.5 * zigzag)
        self.key = linear(width, width, 0.0, bias=False)
        self.value = linear(width, width, 1.0, bias=False)
        self.receptance = linear(width, width, 0.0, bias=False)
        self.out = linear(width, width, 0.0, bias=False)

    @staticmethod
    def state_parts(width: int, heads: int) -> tuple[StatePart, ...]:
        """Return the vectors that one slot passes to the next."""
        del heads
        zero = tuple(StatePart(name, (width,)) for name in ("att_x", "num", "den"))
        return (*zero, StatePart("max", (width,), NEVER))

    def parallel(self, x: Tensor) -> Tensor:  # (B, n, d) -> (B, n, d)
        key, value, gate = self._project(x, previous_slot(x))
        wkv = wkv4(key, value, *self._constants(), bidirectional=self.bidirectional)
        return self.out(gate * wkv.to(gate.dtype))

    def step(self, x_i: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:  # (B, d), (B, 4d) -> (B, d), (B, 4d)
        before, num, den, top = state.chunk(4, dim=-1)
        key, value, gate = self._project(x_i, before)
        wkv, memory = wkv4_step(key, value, *self._constants(), (num, den, top))
        return self.out(gate * wkv.to(gate.dtype)), torch.cat([x_i, *memory], dim=-1)

    def _project(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        for_key, for_value, for_gate = blend(x, before, self.mix_key, self.mix_value, self.mix_receptance)
        return self.key(for_key), self.value(for_value), torch.sigmoid(self.receptance(for_gate))

    def _constants(self) -> tuple[Tensor, Tensor]:
        return decay_rate(self.log_decay), at_least_float32(self.bonus)
