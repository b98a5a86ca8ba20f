# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Mix time by RWKV-6: each slot chooses how much of its neighbour it reads, and how fast the memory fades.

    m = tanh((x + δ ⊙ μ_x) A) B,   δ = x_{i-1} - x_i                        one low-rank answer per use
    x'_c = x + δ ⊙ (μ_c + m_c)                                              c in {decay, key, value, receptance, gate}
    rate = exp(λ + tanh(x'_decay C) D)                                      w of this slot, per channel
    out = W_o (GroupNorm(wkv6(r, k, v, rate)) ⊙ silu(W_g x'_gate))

The recurrence stands in wkv_reference.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.models.layers import linear, previous_slot
from training.models.rwkv5 import GROUP_EPS, bonus_zigzag, log_decay_ramp, matrix_state_parts, per_head
from training.models.wkv import wkv6
from training.models.wkv_reference import at_least_float32, decay_rate, wkv5_step

USES = ("decay", "key", "value", "receptance", "gate")


def low_rank(width: int) -> int:
    """Return the rank of the small corrections. The published 32 and 64 would exceed the width of a robot policy."""
    return max(4, width // 4)


class TimeMix6(nn.Module):
    """Mix across slots through a matrix per head that fades at a rate computed from the data."""

    def __init__(self, width: int, heads: int, depth: float, *, bidirectional: bool = False) -> None:
        super().__init__()
        self.width, self.heads, self.bidirectional = width, heads, bidirectional
        rank = low_rank(width)
        ramp = torch.arange(width) / width
        looks = (1.0 - ramp, 1.0 - ramp, 1.0 - (ramp + 0.3 * depth), 1.0 - ramp.sqrt(), 1.0 - ramp.sqrt())
        self.look_any = nn.Parameter(1.0 - ramp)  # 0: this slot, 1: the previous one
        self.look = nn.Parameter(torch.stack(looks))  # (5, d), rows as in USES
        self.look_down = linear(width, len(USES) * rank, 0.0, bias=False)
        self.look_up = nn.Parameter(torch.empty(len(USES), rank, width).uniform_(-0.01, 0.01))
        self.log_decay = nn.Parameter(log_decay_ramp(width, depth))
        self.decay_down = linear(width, rank, 0.0, bias=False)
        self.decay_up = linear(rank, width, 0.01, bias=False)
        self.bonus = nn.Parameter(bonus_zigzag(width, depth))
        self.key = linear(width, width, 0.1, bias=False)
        self.value = linear(width, width, 1.0, bias=False)
        self.receptance = linear(width, width, 1.0, bias=False)
        self.gate = linear(width, width, 0.1, bias=False)
        self.group_norm = nn.GroupNorm(heads, width, eps=GROUP_EPS)
        self.out = linear(width, width, 0.0, bias=False)

    state_parts = staticmethod(matrix_state_parts)

    def parallel(self, x: Tensor) -> Tensor:  # (B, n, d) -> (B, n, d)
        r, k, v, rate, gate = self._project(x, previous_slot(x))
        return self._read(wkv6(r, k, v, rate, self._bonus(), bidirectional=self.bidirectional), gate)

    def step(self, x_i: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:  # (B, d), (B, d + h c²) -> (B, d), same
        before, memory = state.tensor_split([self.width], dim=-1)
        r, k, v, rate, gate = self._project(x_i, before)
        size = self.width // self.heads
        memory = memory.unflatten(-1, (self.heads, size, size))
        wkv, memory = wkv5_step(r, k, v, rate, self._bonus(), memory)
        return self._read(wkv, gate), torch.cat([x_i, memory.flatten(1)], dim=-1)

    def _project(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        back = before - x
        asked = torch.tanh(self.look_down(torch.addcmul(x, back, self.look_any)))
        answer = torch.einsum("...ur,urd->...ud", asked.unflatten(-1, (len(USES), -1)), self.look_up)
        seen = x.unsqueeze(-2) + back.unsqueeze(-2) * (self.look + answer)  # (..., 5, d)
        for_decay, for_key, for_value, for_receptance, for_gate = seen.unbind(-2)
        rate = decay_rate(per_head(self.log_decay + self.decay_up(torch.tanh(self.decay_down(for_decay))), self.heads))
        rkv = (self.receptance(for_receptance), self.key(for_key), self.value(for_value))
        r, k, v = (per_head(part, self.heads) for part in rkv)
        return r, k, v, rate, F.silu(self.gate(for_gate))

    def _bonus(self) -> Tensor:
        return per_head(at_least_float32(self.bonus), self.heads)

    def _read(self, wkv: Tensor, gate: Tensor) -> Tensor:  # (..., h, c), (..., d) -> (..., d)
        rows = wkv.reshape(-1, self.width).to(gate.dtype)
        return self.out(self.group_norm(rows).view_as(gate) * gate)
