# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The WKV operators of RWKV in plain torch: the exact parallel form and the recurrent form of each.

These are the reference that every compiled kernel is compared to. All arithmetic is in float32 or better.
"""

from __future__ import annotations

import torch
from torch import Tensor

NEVER = -1e30  # a log-weight so small that it counts for nothing; -inf would make NaN of (-inf) - (-inf)
LOG_DECAY_LIMIT = 60.0  # beyond it exp(log_decay) nears the end of float32, and inf * 0 is NaN


def at_least_float32(x: Tensor) -> Tensor:
    """Raise half-precision inputs to float32 and leave the others."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def decay_rate(log_decay: Tensor) -> Tensor:
    """Give the positive rate w at which a channel forgets per slot."""
    return torch.exp(log_decay.clamp(max=LOG_DECAY_LIMIT))


def wkv4(key: Tensor, value: Tensor, rate: Tensor, bonus: Tensor, *, bidirectional: bool = False) -> Tensor:
    """Average the values by softmax weights: each slot's key, less `rate` per slot of distance beyond the first.

    wkv_t = Σ_i exp(s_ti) v_i / Σ_i exp(s_ti),   s_tt = u + k_t,   s_ti = k_i - (|t - i| - 1) w,   i <= t if causal
    """
    slots = key.shape[1]
    place = torch.arange(slots, device=key.device)
    ahead = place[:, None] - place[None, :]  # (t, i): how far slot i lies before slot t
    bias = -(ahead.abs() - 1).to(rate.dtype)[..., None] * rate  # (t, i, d)
    bias = torch.where((ahead == 0)[..., None], bonus, bias)
    if not bidirectional:
        bias = bias.masked_fill((ahead < 0)[..., None], NEVER)
    weight = torch.softmax(key[:, None] + bias, dim=2)  # (B, t, i, d)
    return (weight * value[:, None]).sum(2)  # (B, n, d)


def wkv4_step(
    key: Tensor, value: Tensor, rate: Tensor, bonus: Tensor, state: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Do the same for one slot from running sums (num, den), both scaled by exp(-max); everything (B, d).

    out = (e^{max-p} num + e^{u+k-p} v) / (e^{max-p} den + e^{u+k-p}),   p = max(max, u + k)
    num' = e^{max-w-q} num + e^{k-q} v,   den' likewise with v = 1,      q = max' = max(max - w, k)
    """
    num, den, top = state
    now = bonus + key
    peak = torch.maximum(top, now)
    old, new = torch.exp(top - peak), torch.exp(now - peak)
    out = (old * num + new * value) / (old * den + new)

    faded = top - rate
    peak = torch.maximum(faded, key)
    old, new = torch.exp(faded - peak), torch.exp(key - peak)
    return out, (old * num + new * value, old * den + new, peak)
