# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define the layers that every policy shares, with the initialisation that MAT trains from."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BEFORE_GELU = math.sqrt(2.0)  # orthogonal gain of a layer that feeds a GELU
ELSEWHERE = 0.01  # near zero, so that a new policy acts near zero and a new block returns nearly its residual


def linear(inputs: int, outputs: int, gain: float = ELSEWHERE, *, bias: bool = True, fused: int = 1) -> nn.Linear:
    """Return a linear layer with orthogonal weights. Each of `fused` stacked matrices is orthogonal on its own."""
    layer = nn.Linear(inputs, outputs * fused, bias=bias)
    for weight in layer.weight.data.chunk(fused):
        if gain == 0.0:
            nn.init.zeros_(weight)
        else:
            nn.init.orthogonal_(weight, gain)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class Head(nn.Module):
    """Compute the outputs of a row: Linear, GELU, LayerNorm, Linear."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.hidden = linear(width, width, BEFORE_GELU)
        self.norm = nn.LayerNorm(width)
        self.out = linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:  # (..., d) -> (..., outputs)
        return self.out(self.norm(F.gelu(self.hidden(x))))


class Mlp(nn.Module):
    """Transform each slot on its own: Linear, GELU, Linear. The hidden layer is as wide as the stream."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = linear(width, width, BEFORE_GELU)
        self.out = linear(width, width)

    def forward(self, x: Tensor) -> Tensor:  # (..., d) -> (..., d)
        return self.out(F.gelu(self.hidden(x)))


def previous_slot(x: Tensor) -> Tensor:
    """Return the slots shifted by one: slot i holds slot i-1, and the first slot holds zeros."""
    return F.pad(x, (0, 0, 1, -1))  # (B, n, d)


def blend(x: Tensor, before: Tensor, *mixes: Tensor) -> list[Tensor]:
    """Return, for each mix, an interpolation between the previous slot (mix 0) and this slot (mix 1)."""
    difference = x - before
    return [torch.addcmul(before, difference, mix) for mix in mixes]
