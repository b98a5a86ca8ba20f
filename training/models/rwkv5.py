# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Mix time by RWKV-5: the memory is a matrix per head, read by a query and gated on the way out.

    r = W_r x'_r,  k = W_k x'_k,  v = W_v x'_v,  g = silu(W_g x'_g)         token shift as in version 4
    out = W_o (GroupNorm(wkv5(r, k, v)) ⊙ g)

The recurrence stands in wkv_reference.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.models.layers import blend, linear, previous_slot
from training.models.state import StatePart
from training.models.wkv import wkv5
from training.models.wkv_reference import at_least_float32, decay_rate, wkv5_step

GROUP_EPS = 64e-5  # RWKV divides by 8 before the norm; this epsilon has the same effect without the division


def channel_ramp(width: int) -> Tensor:
    """Return a ramp over the channels from 0 to 1."""
    return torch.arange(width) / max(1, width - 1)


def log_decay_ramp(width: int, depth: float) -> Tensor:
    """Return log-decays that spread the channels from slow to fast fading."""
    return -6.0 + 5.0 * channel_ramp(width) ** (0.7 + 1.3 * depth)


def bonus_zigzag(width: int, depth: float) -> Tensor:
    """Return bonuses that weigh the slot itself a little differently from channel to channel."""
    return depth * (1.0 - channel_ramp(width)) + 0.1 * ((torch.arange(width) + 1) % 3 - 1)


def matrix_state_parts(width: int, heads: int) -> tuple[StatePart, ...]:
    """Return the memory of versions 5, 6 and 7: the previous slot's input, and S[head][key channel][value channel]."""
    size = width // heads
    return (StatePart("att_x", (width,)), StatePart("wkv", (heads, size, size)))


def per_head(x: Tensor, heads: int) -> Tensor:
    """Return the width cut into heads: (..., d) -> (..., h, c)."""
    return x.unflatten(-1, (heads, -1))


class TimeMix5(nn.Module):
    """Mix across slots through a matrix per head that fades at a learnt, constant rate."""

    def __init__(self, width: int, heads: int, depth: float, *, bidirectional: bool = False) -> None:
        super().__init__()
        self.width, self.heads, self.bidirectional = width, heads, bidirectional
        ramp = torch.arange(width) / width
        self.mix_key = nn.Parameter(ramp.clone())
        self.mix_value = nn.Parameter(ramp + 0.3 * depth)
        self.mix_receptance = nn.Parameter(ramp.sqrt())
        self.mix_gate = nn.Parameter(ramp.sqrt())
        self.log_decay = nn.Parameter(log_decay_ramp(width, depth))
        self.bonus = nn.Parameter(bonus_zigzag(width, depth))
        self.key = linear(width, width, 0.1, bias=False)
        self.value = linear(width, width, 1.0, bias=False)
        self.receptance = linear(width, width, 1.0, bias=False)
        self.gate = linear(width, width, 0.1, bias=False)
        self.group_norm = nn.GroupNorm(heads, width, eps=GROUP_EPS)
        self.out = linear(width, width, 0.0, bias=False)

    state_parts = staticmethod(matrix_state_parts)

    def parallel(self, x: Tensor) -> Tensor:  # (B, n, d) -> (B, n, d)
        r, k, v, gate = self._project(x, previous_slot(x))
        return self._read(wkv5(r, k, v, *self._constants(), bidirectional=self.bidirectional), gate)

    def step(self, x_i: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:  # (B, d), (B, d + h c²) -> (B, d), same
        before, memory = state.tensor_split([self.width], dim=-1)
        r, k, v, gate = self._project(x_i, before)
        size = self.width // self.heads
        wkv, memory = wkv5_step(r, k, v, *self._constants(), memory.unflatten(-1, (self.heads, size, size)))
        return self._read(wkv, gate), torch.cat([x_i, memory.flatten(1)], dim=-1)

    def _project(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mixes = (self.mix_receptance, self.mix_key, self.mix_value, self.mix_gate)
        for_r, for_k, for_v, for_gate = blend(x, before, *mixes)
        rkv = (self.receptance(for_r), self.key(for_k), self.value(for_v))
        r, k, v = (per_head(part, self.heads) for part in rkv)
        return r, k, v, F.silu(self.gate(for_gate))

    def _constants(self) -> tuple[Tensor, Tensor]:
        bonus = per_head(at_least_float32(self.bonus), self.heads)
        return decay_rate(per_head(self.log_decay, self.heads)), bonus

    def _read(self, wkv: Tensor, gate: Tensor) -> Tensor:  # (..., h, c), (..., d) -> (..., d)
        rows = wkv.reshape(-1, self.width).to(gate.dtype)
        return self.out(self.group_norm(rows).view_as(gate) * gate)
