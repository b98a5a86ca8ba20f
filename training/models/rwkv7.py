# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Mix time by RWKV-7: before a slot writes, it removes from memory the value stored under the same key.

    x'_c = x + (x_{i-1} - x_i) ⊙ μ_c                         c in {receptance, decay, key, value, rate, gate}
    w = e^{-1/2} sigmoid(λ + tanh(x'_decay A) B)             so memory never fades by more than e^{-0.61} per slot
    a = sigmoid(α + x'_rate C D)                             how much of the old value is replaced
    κ = (k ⊙ μ_κ) / |k ⊙ μ_κ|,   k ← k ⊙ (1 + (a - 1) ⊙ μ_a),   g = sigmoid(x'_gate E) F
    out = W_o ((GroupNorm(wkv7(r, k, v, w, κ, a ⊙ κ)) + (r · (ρ ⊙ k)) v) ⊙ g)

The published model also lends the first block's values to later blocks. A robot policy has one or two blocks, so this
model leaves that out.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.models.layers import linear, previous_slot
from training.models.rwkv5 import GROUP_EPS, channel_ramp, matrix_state_parts, per_head
from training.models.rwkv6 import low_rank
from training.models.wkv_reference import wkv7, wkv7_step

USES = ("receptance", "decay", "key", "value", "rate", "gate")
FASTEST = math.exp(-0.5)


class TimeMix7(nn.Module):
    """Mix across slots through a matrix per head, which each slot edits by the delta rule."""

    def __init__(self, width: int, heads: int, depth: float, *, bidirectional: bool = False) -> None:
        super().__init__()
        self.width, self.heads, self.bidirectional = width, heads, bidirectional
        rank = low_rank(width)
        ramp = torch.arange(width) / width
        powers = {"receptance": 0.2, "decay": 0.9, "key": 0.7, "value": 0.7, "rate": 0.9, "gate": 0.2}
        self.look = nn.Parameter(torch.stack([1.0 - ramp ** powers[use] for use in USES]))  # (6, d), rows as in USES
        self.decay_base = nn.Parameter(-6.5 + 5.0 * channel_ramp(width) ** (0.85 + math.sqrt(depth)))
        self.decay_down = linear(width, rank, 0.0, bias=False)
        self.decay_up = linear(rank, width, 0.1, bias=False)
        self.rate_base = nn.Parameter(torch.zeros(width))
        self.rate_down = linear(width, rank, 0.0, bias=False)
        self.rate_up = linear(rank, width, 0.1, bias=False)
        self.gate_down = linear(width, rank, 0.0, bias=False)
        self.gate_up = linear(rank, width, 0.1, bias=False)
        self.remove_scale = nn.Parameter(torch.full((width,), 0.85))
        self.replace_scale = nn.Parameter(torch.ones(width))
        self.bonus = nn.Parameter(torch.zeros(width))
        self.key = linear(width, width, 0.1, bias=False)
        self.value = linear(width, width, 1.0, bias=False)
        self.receptance = linear(width, width, 1.0, bias=False)
        self.group_norm = nn.GroupNorm(heads, width, eps=GROUP_EPS)
        self.out = linear(width, width, 0.0, bias=False)

    state_parts = staticmethod(matrix_state_parts)

    def parallel(self, x: Tensor) -> Tensor:  # (B, n, d) -> (B, n, d)
        inputs, gate = self._project(x, previous_slot(x))
        r, k, v, rate, remove, replace = inputs
        wkv = wkv7(r, k, v, rate, remove, replace, bidirectional=self.bidirectional)
        return self._read(wkv, inputs, gate)

    def step(self, x_i: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:  # (B, d), (B, d + h c²) -> (B, d), same
        before, memory = state.tensor_split([self.width], dim=-1)
        inputs, gate = self._project(x_i, before)
        r, k, v, rate, remove, replace = inputs
        size = self.width // self.heads
        memory = memory.unflatten(-1, (self.heads, size, size))
        wkv, memory = wkv7_step(r, k, v, rate, remove, replace, memory)
        return self._read(wkv, inputs, gate), torch.cat([x_i, memory.flatten(1)], dim=-1)

    def _project(self, x: Tensor, before: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """Return (r, k, v, rate, remove, replace), each (..., h, c), and the gate (..., d)."""
        seen = x.unsqueeze(-2) + (before - x).unsqueeze(-2) * self.look  # (..., 6, d)
        for_receptance, for_decay, for_key, for_value, for_rate, for_gate = seen.unbind(-2)
        key = self.key(for_key)
        rate = FASTEST * torch.sigmoid(self.decay_base + self.decay_up(torch.tanh(self.decay_down(for_decay))))
        replaced = torch.sigmoid(self.rate_base + self.rate_up(self.rate_down(for_rate)))
        gate = self.gate_up(torch.sigmoid(self.gate_down(for_gate)))
        remove = F.normalize(per_head(key * self.remove_scale, self.heads), dim=-1)
        key = key * (1.0 + (replaced - 1.0) * self.replace_scale)
        r, k, v, rate, replaced = (
            per_head(part, self.heads)
            for part in (self.receptance(for_receptance), key, self.value(for_value), rate, replaced)
        )
        return (r, k, v, rate, remove, replaced * remove), gate

    def _read(self, wkv: Tensor, inputs: tuple[Tensor, ...], gate: Tensor) -> Tensor:
        r, k, v = inputs[:3]
        own = (r * k * per_head(self.bonus, self.heads)).sum(-1, keepdim=True) * v
        rows = wkv.reshape(-1, self.width).to(gate.dtype)
        return self.out((self.group_norm(rows).view_as(gate) + own.flatten(-2).to(gate.dtype)) * gate)
