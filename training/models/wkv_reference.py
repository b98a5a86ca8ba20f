# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The WKV operators of RWKV in plain torch: the exact parallel form and the recurrent form of each.

These are the reference that every compiled kernel is compared to. All arithmetic is in float32 or better. Shapes: B
batch, n slots, d width; the matrix-valued versions cut d into h heads of c channels, and write S[key channel][value
channel] for a head's memory. A bidirectional form (encoders) has no recurrent twin: it looks ahead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional as F

NEVER = -1e30  # a log-weight so small that it counts for nothing; -inf would make NaN of (-inf) - (-inf)
LOG_DECAY_LIMIT = 60.0  # beyond it exp(log_decay) nears the end of float32, and inf * 0 is NaN
_longest: list[int] = []  # see lengthened


@contextmanager
def lengthened(slots: int) -> Iterator[None]:
    """While a graph for chains of up to `slots` slots is written, let every parallel form be that long.

    It is lengthened by slots that nobody hears, and its answer is cut again. So the tables of distances depend on
    parameters only, and a runtime computes them once, when it loads the graph, not for the length of each call. A
    causal encoder has no need of this: see training.exporting.graphs.EncoderGraph.
    """
    _longest.append(slots)
    try:
        yield
    finally:
        _longest.pop()


def at_least_float32(x: Tensor) -> Tensor:
    """Raise half-precision inputs to float32 and leave the others."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def decay_rate(log_decay: Tensor) -> Tensor:
    """Give the positive rate w at which a channel forgets per slot."""
    return torch.exp(at_least_float32(log_decay).clamp(max=LOG_DECAY_LIMIT))


def wkv4(key: Tensor, value: Tensor, rate: Tensor, bonus: Tensor, *, bidirectional: bool = False) -> Tensor:
    """Average the values by softmax weights: each slot's key, less `rate` per slot of distance beyond the first.

    wkv_t = Σ_i exp(s_ti) v_i / Σ_i exp(s_ti),   s_tt = u + k_t,   s_ti = k_i - (|t - i| - 1) w,   i <= t if causal
    """
    slots = key.shape[1]
    key, value = _lengthen(at_least_float32(key), NEVER), _lengthen(at_least_float32(value))
    ahead = _places_ahead(key)  # (t, i): how far slot i lies before slot t
    bias = -(ahead.abs() - 1).to(rate.dtype)[..., None] * rate  # (t, i, d)
    bias = torch.where((ahead == 0)[..., None], bonus, bias)
    if not bidirectional:
        bias = bias.masked_fill((ahead < 0)[..., None], NEVER)
    weight = torch.softmax(key[:, None] + bias, dim=2)  # (B, t, i, d)
    return _cut((weight * value[:, None]).sum(2), slots)  # (B, n, d)


def wkv4_step(
    key: Tensor, value: Tensor, rate: Tensor, bonus: Tensor, state: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Do the same for one slot from running sums (num, den), both scaled by exp(-max); everything (B, d).

    out = (e^{max-p} num + e^{u+k-p} v) / (e^{max-p} den + e^{u+k-p}),   p = max(max, u + k)
    num' = e^{max-w-q} num + e^{k-q} v,   den' likewise with v = 1,      q = max' = max(max - w, k)
    """
    key, value = at_least_float32(key), at_least_float32(value)
    num, den, top = state
    now = bonus + key
    peak = torch.maximum(top, now)
    old, new = torch.exp(top - peak), torch.exp(now - peak)
    out = (old * num + new * value) / (old * den + new)

    faded = top - rate
    peak = torch.maximum(faded, key)
    old, new = torch.exp(faded - peak), torch.exp(key - peak)
    return out, (old * num + new * value, old * den + new, peak)


def wkv5(r: Tensor, k: Tensor, v: Tensor, rate: Tensor, bonus: Tensor, *, bidirectional: bool = False) -> Tensor:
    """Remember key-value products in a matrix that fades at a constant rate; rate, bonus (h, c), the rest (B, n, h, c).

    out_t = r_tᵀ (S_t + (u ⊙ k_t) v_tᵀ),   S_{t+1} = e^{-w} ⊙ S_t + k_t v_tᵀ   and in parallel
    out_t = Σ_i (r_t · (f_ti ⊙ k_i)) v_i,   f_tt = u,   f_ti = e^{-(|t - i| - 1) w},   i <= t if causal
    """
    slots, dtype = k.shape[1], at_least_float32(k).dtype
    r, k, v = (_lengthen(accurate(x)) for x in (r, k, v))
    rate, bonus, ahead = accurate(rate), accurate(bonus), _places_ahead(k)
    gap = (ahead.abs() - 1).clamp(min=0).to(rate.dtype)
    fade = torch.exp(-gap[..., None, None] * rate).unsqueeze(0)  # (1, t, i, h, c)
    return _cut(_weigh(r, k, v, _with_now(fade, ahead, bonus, bidirectional)), slots).to(dtype)


def wkv6(r: Tensor, k: Tensor, v: Tensor, rate: Tensor, bonus: Tensor, *, bidirectional: bool = False) -> Tensor:
    """Do the same with a rate that every slot chooses; bonus (h, c), the rest (B, n, h, c).

    S_{t+1} = e^{-w_t} ⊙ S_t + k_t v_tᵀ,   so in parallel   f_ti = exp(-Σ w_j over the slots j strictly between i and t)
    """
    slots, dtype = k.shape[1], at_least_float32(k).dtype
    r, k, v, rate = (_lengthen(accurate(x)) for x in (r, k, v, rate))
    bonus, ahead, longest = accurate(bonus), _places_ahead(k), k.shape[1]
    place = torch.arange(longest, device=k.device)
    low, high = torch.minimum(place[:, None], place), torch.maximum(place[:, None], place)  # (t, i)
    between = (low[..., None] < place) & (place < high[..., None])  # (t, i, j)
    # A sum over exactly the slots between: the difference of two running sums would lose small rates beside large ones.
    faded = between.flatten(0, 1).to(rate.dtype) @ rate.flatten(2)  # (B, t * i, h * c)
    fade = torch.exp(-faded).unflatten(1, (longest, longest)).unflatten(-1, k.shape[-2:])  # (B, t, i, h, c)
    return _cut(_weigh(r, k, v, _with_now(fade, ahead, bonus, bidirectional)), slots).to(dtype)


def wkv5_step(r: Tensor, k: Tensor, v: Tensor, rate: Tensor, bonus: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """Do one slot of version 5, or of 6 with this slot's rate: vectors (B, h, c), memory (B, h, c, c)."""
    dtype = memory.dtype
    r, k, v, rate, bonus, memory = (accurate(x) for x in (r, k, v, rate, bonus, memory))
    product = k.unsqueeze(-1) * v.unsqueeze(-2)  # (B, h, c, c)
    out = (r.unsqueeze(-2) @ (memory + bonus.unsqueeze(-1) * product)).squeeze(-2)
    return out.to(dtype), (torch.exp(-rate).unsqueeze(-1) * memory + product).to(dtype)


def wkv7(
    r: Tensor, k: Tensor, v: Tensor, rate: Tensor, remove: Tensor, replace: Tensor, *, bidirectional: bool = False
) -> Tensor:
    """Let each slot first take out of memory what is stored under a key; everything (B, n, h, c).

    S_t = e^{-w_t} ⊙ S_{t-1} - b_t (κ_tᵀ S_{t-1}) + k_t v_tᵀ,   out_t = r_tᵀ S_t   κ: remove (unit), b: replace = a ⊙ κ

    What slot t takes out, z_t = κ_tᵀ S_{t-1}, depends on what its predecessors took out. That is one unit triangular
    system per head, (I + N) Z = M V, where M and N couple κ_t to the earlier k_i and b_i through the fading between.
    """
    dtype = at_least_float32(r).dtype
    r, k, v, rate, remove, replace = (accurate(x) for x in (r, k, v, rate, remove, replace))
    if bidirectional:  # the delta rule has no symmetric form: read once from each end
        inputs = (r, k, v, rate, remove, replace)
        return (wkv7(*inputs) + wkv7(*(part.flip(1) for part in inputs)).flip(1)).to(dtype)
    slots = k.shape[1]
    r, k, v, rate, remove, replace = (_lengthen(x) for x in (r, k, v, rate, remove, replace))
    longest = k.shape[1]
    place = torch.arange(longest, device=k.device)
    below = place[:, None] > place  # (t, i): i strictly before t
    upto = (place < place[:, None, None]) & (place > place[:, None])  # (t, i, j): i < j < t
    between = upto.flatten(0, 1).to(rate.dtype) @ rate.flatten(2)  # (B, t * i, h * c)
    fade = torch.exp(-between).unflatten(1, (longest, longest)).unflatten(-1, k.shape[-2:])  # decay over i+1 .. t-1
    fade_now = torch.where(below[..., None, None], fade * torch.exp(-rate).unsqueeze(2), 1.0)  # and over t as well

    taken = _couple(remove, k, fade, below) @ _by_head(v)  # (B, h, n, c)
    taken = torch.linalg.solve_triangular(_couple(remove, replace, fade, below), taken, upper=False, unitriangular=True)
    seen = place[:, None] >= place
    out = _couple(r, k, fade_now, seen) @ _by_head(v) - _couple(r, replace, fade_now, seen) @ taken
    return _cut(out.transpose(1, 2), slots).to(dtype)  # (B, n, h, c)


def wkv7_step(
    r: Tensor, k: Tensor, v: Tensor, rate: Tensor, remove: Tensor, replace: Tensor, memory: Tensor
) -> tuple[Tensor, Tensor]:
    """Do one slot of version 7: vectors (B, h, c), memory (B, h, c, c)."""
    dtype = memory.dtype
    r, k, v, rate, remove, replace, memory = (accurate(x) for x in (r, k, v, rate, remove, replace, memory))
    taken = remove.unsqueeze(-2) @ memory  # (B, h, 1, c)
    memory = torch.exp(-rate).unsqueeze(-1) * memory - replace.unsqueeze(-1) * taken + k.unsqueeze(-1) * v.unsqueeze(-2)
    return (r.unsqueeze(-2) @ memory).squeeze(-2).to(dtype), memory.to(dtype)


def accurate(x: Tensor) -> Tensor:
    """Give float64 on a processor: what a matrix memory leaves of a value may be small, and its readers divide by it.

    Exported graphs stay in float32, the only type that every engine has, and so do GPUs, where float64 is slow.
    """
    return x.double() if x.device.type == "cpu" and not torch.compiler.is_exporting() else at_least_float32(x)


def _places_ahead(x: Tensor) -> Tensor:
    place = torch.arange(x.shape[1], device=x.device)
    return place[:, None] - place  # (t, i)


def _lengthen(x: Tensor, value: float = 0.0) -> Tensor:
    """Append slots (the second axis) that add nothing, up to the longest chain; see lengthened."""
    return _pad(x, _longest[-1] - x.shape[1], value) if _longest else x


def _cut(x: Tensor, slots: int) -> Tensor:
    """Take the appended slots off again. Padding by less than nothing asks no question about n, as a slice would."""
    return _pad(x, slots - _longest[-1], 0.0) if _longest else x


def _pad(x: Tensor, slots: int, value: float) -> Tensor:
    return F.pad(x, (0, 0) * (x.ndim - 2) + (0, slots), value=value)


def _with_now(fade: Tensor, ahead: Tensor, bonus: Tensor, bidirectional: bool) -> Tensor:
    """Put the bonus where i = t and, if causal, nothing where i > t."""
    fade = torch.where((ahead == 0)[..., None, None], bonus, fade)
    return fade if bidirectional else fade.masked_fill((ahead < 0)[..., None, None], 0.0)


def _weigh(r: Tensor, k: Tensor, v: Tensor, fade: Tensor) -> Tensor:
    score = (r.unsqueeze(2) * (k.unsqueeze(1) * fade)).sum(-1)  # (B, t, i, h)
    return torch.einsum("btih,bihc->bthc", score, v)


def _couple(left: Tensor, right: Tensor, fade: Tensor, where: Tensor) -> Tensor:
    """Dot every pair through the fading between them: (B, n, h, c) twice -> (B, h, t, i), zero outside `where`."""
    score = (left.unsqueeze(2) * (right.unsqueeze(1) * fade)).sum(-1)
    return score.masked_fill(~where[..., None], 0.0).permute(0, 3, 1, 2)


def _by_head(x: Tensor) -> Tensor:
    return x.transpose(1, 2)  # (B, h, n, c)
