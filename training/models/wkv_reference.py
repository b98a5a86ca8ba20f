# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compute the WKV operators of RWKV in plain torch: the exact parallel form and the recurrent form of each.

Tests compare every compiled kernel with these. All arithmetic is in float32 or better. Shapes: B batch, n slots, d
width. The matrix-valued versions cut d into h heads of c channels, and write S[key channel][value channel] for a head's
memory. A bidirectional form (encoders) reads later slots, so it has no recurrent form.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional as F

NEVER = -1e30  # a log-weight whose weight is 0; with -inf, (-inf) - (-inf) would be NaN
LOG_DECAY_LIMIT = 60.0  # beyond this limit exp(log_decay) nears the end of float32, and inf * 0 is NaN
_longest: list[int] = []  # the lengths that `lengthened` has set, the innermost last


@contextmanager
def lengthened(slots: int) -> Iterator[None]:
    """Make every parallel form `slots` slots long while a graph for chains of up to that length is written.

    The added slots add nothing to the others, and each form cuts its result back. The tables of distances then depend
    on parameters only. A runtime therefore computes them once, when it loads the graph, and not for the length of each
    call. A causal encoder needs no such length: see training.exporting.graphs.EncoderGraph.
    """
    _longest.append(slots)
    try:
        yield
    finally:
        _longest.pop()


def at_least_float32(x: Tensor) -> Tensor:
    """Return half-precision inputs as float32 and other inputs unchanged."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def decay_rate(log_decay: Tensor) -> Tensor:
    """Return the positive rate w at which a channel fades per slot."""
    return torch.exp(at_least_float32(log_decay).clamp(max=LOG_DECAY_LIMIT))


def wkv4(key: Tensor, value: Tensor, rate: Tensor, bonus: Tensor, *, bidirectional: bool = False) -> Tensor:
    """Return the values averaged by softmax weights: each slot's key, less `rate` per slot of distance after the first.

    wkv_t = Σ_i exp(s_ti) v_i / Σ_i exp(s_ti),   s_tt = u + k_t,   s_ti = k_i - (|t - i| - 1) w,   i <= t if causal
    """
    slots = key.shape[1]
    key, value = _lengthen(at_least_float32(key), NEVER), _lengthen(at_least_float32(value))
    ahead = _places_ahead(key)  # (t, i): number of slots by which slot i precedes slot t
    bias = -(ahead.abs() - 1).to(rate.dtype)[..., None] * rate  # (t, i, d)
    bias = torch.where((ahead == 0)[..., None], bonus, bias)
    if not bidirectional:
        bias = bias.masked_fill((ahead < 0)[..., None], NEVER)
    weight = torch.softmax(key[:, None] + bias, dim=2)  # (B, t, i, d)
    return _cut((weight * value[:, None]).sum(2), slots)  # (B, n, d)


def wkv4_step(
    key: Tensor, value: Tensor, rate: Tensor, bonus: Tensor, state: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Return `wkv4` of one slot from running sums (num, den), both scaled by exp(-max), and the new sums; all (B, d).

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
    """Return readings of a matrix of key-value products that fades at a constant rate.

    out_t = r_tᵀ (S_t + (u ⊙ k_t) v_tᵀ),   S_{t+1} = e^{-w} ⊙ S_t + k_t v_tᵀ   and in parallel
    out_t = Σ_i (r_t · (f_ti ⊙ k_i)) v_i,   f_tt = u,   f_ti = e^{-(|t - i| - 1) w},   i <= t if causal

    Rate and bonus are (h, c), the rest is (B, n, h, c).
    """
    slots, dtype = k.shape[1], at_least_float32(k).dtype
    r, k, v = (_lengthen(accurate(x)) for x in (r, k, v))
    rate, bonus, ahead = accurate(rate), accurate(bonus), _places_ahead(k)
    gap = (ahead.abs() - 1).clamp(min=0).to(rate.dtype)
    fade = torch.exp(-gap[..., None, None] * rate).unsqueeze(0)  # (1, t, i, h, c)
    return _cut(_weigh(r, k, v, _with_now(fade, ahead, bonus, bidirectional)), slots).to(dtype)


def wkv6(r: Tensor, k: Tensor, v: Tensor, rate: Tensor, bonus: Tensor, *, bidirectional: bool = False) -> Tensor:
    """Return `wkv5` with a rate that every slot chooses; bonus (h, c), the rest (B, n, h, c).

    S_{t+1} = e^{-w_t} ⊙ S_t + k_t v_tᵀ,   so in parallel   f_ti = exp(-Σ w_j over the slots j strictly between i and t)
    """
    slots, dtype = k.shape[1], at_least_float32(k).dtype
    r, k, v, rate = (_lengthen(accurate(x)) for x in (r, k, v, rate))
    bonus, ahead, longest = accurate(bonus), _places_ahead(k), k.shape[1]
    place = torch.arange(longest, device=k.device)
    low, high = torch.minimum(place[:, None], place), torch.maximum(place[:, None], place)  # (t, i)
    between = (low[..., None] < place) & (place < high[..., None])  # (t, i, j)
    # Sum over exactly the slots between: the difference of two running sums would lose small rates beside large ones.
    faded = between.flatten(0, 1).to(rate.dtype) @ rate.flatten(2)  # (B, t * i, h * c)
    fade = torch.exp(-faded).unflatten(1, (longest, longest)).unflatten(-1, k.shape[-2:])  # (B, t, i, h, c)
    return _cut(_weigh(r, k, v, _with_now(fade, ahead, bonus, bidirectional)), slots).to(dtype)


def wkv5_step(r: Tensor, k: Tensor, v: Tensor, rate: Tensor, bonus: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """Return one slot of version 5, or of 6 with its rate, and the memory: vectors (B, h, c), memory (B, h, c, c)."""
    dtype = memory.dtype
    r, k, v, rate, bonus, memory = (accurate(x) for x in (r, k, v, rate, bonus, memory))
    product = k.unsqueeze(-1) * v.unsqueeze(-2)  # (B, h, c, c)
    out = (r.unsqueeze(-2) @ (memory + bonus.unsqueeze(-1) * product)).squeeze(-2)
    return out.to(dtype), (torch.exp(-rate).unsqueeze(-1) * memory + product).to(dtype)


def wkv7(
    r: Tensor, k: Tensor, v: Tensor, rate: Tensor, remove: Tensor, replace: Tensor, *, bidirectional: bool = False
) -> Tensor:
    """Return readings of a matrix from which each slot first removes the value under a key; all (B, n, h, c).

    S_t = e^{-w_t} ⊙ S_{t-1} - b_t (κ_tᵀ S_{t-1}) + k_t v_tᵀ,   out_t = r_tᵀ S_t   κ: remove (unit), b: replace = a ⊙ κ

    The removed value of slot t, z_t = κ_tᵀ S_{t-1}, depends on what its predecessors removed. That is one unit
    triangular system per head, (I + N) Z = M V, where M and N couple κ_t to the earlier k_i and b_i through the fading
    between.
    """
    dtype = at_least_float32(r).dtype
    r, k, v, rate, remove, replace = (accurate(x) for x in (r, k, v, rate, remove, replace))
    if bidirectional:  # the delta rule has no symmetric form: compute one reading from each end
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
    fade_now = torch.where(below[..., None, None], fade * torch.exp(-rate).unsqueeze(2), 1.0)  # and over slot t as well

    taken = _couple(remove, k, fade, below) @ _by_head(v)  # (B, h, n, c)
    taken = torch.linalg.solve_triangular(_couple(remove, replace, fade, below), taken, upper=False, unitriangular=True)
    seen = place[:, None] >= place
    out = _couple(r, k, fade_now, seen) @ _by_head(v) - _couple(r, replace, fade_now, seen) @ taken
    return _cut(out.transpose(1, 2), slots).to(dtype)  # (B, n, h, c)


def wkv7_step(
    r: Tensor, k: Tensor, v: Tensor, rate: Tensor, remove: Tensor, replace: Tensor, memory: Tensor
) -> tuple[Tensor, Tensor]:
    """Return one slot of version 7 and the new memory: vectors (B, h, c), memory (B, h, c, c)."""
    dtype = memory.dtype
    r, k, v, rate, remove, replace, memory = (accurate(x) for x in (r, k, v, rate, remove, replace, memory))
    taken = remove.unsqueeze(-2) @ memory  # (B, h, 1, c)
    memory = torch.exp(-rate).unsqueeze(-1) * memory - replace.unsqueeze(-1) * taken + k.unsqueeze(-1) * v.unsqueeze(-2)
    return (r.unsqueeze(-2) @ memory).squeeze(-2).to(dtype), memory.to(dtype)


def accurate(x: Tensor) -> Tensor:
    """Return a tensor as float64 on a CPU. A matrix memory may keep little of a value, and GroupNorm divides by it.

    Exported graphs stay in float32, the only type that every engine has. So do GPUs, where float64 is slow.
    """
    return x.double() if x.device.type == "cpu" and not torch.compiler.is_exporting() else at_least_float32(x)


def _places_ahead(x: Tensor) -> Tensor:
    place = torch.arange(x.shape[1], device=x.device)
    return place[:, None] - place  # (t, i)


def _lengthen(x: Tensor, value: float = 0.0) -> Tensor:
    """Append slots (the second axis) that add nothing, up to the length of `lengthened`."""
    return _pad(x, _longest[-1] - x.shape[1], value) if _longest else x


def _cut(x: Tensor, slots: int) -> Tensor:
    """Remove the appended slots. Padding by a negative count puts no condition on n into a graph; a slice would."""
    return _pad(x, slots - _longest[-1], 0.0) if _longest else x


def _pad(x: Tensor, slots: int, value: float) -> Tensor:
    return F.pad(x, (0, 0) * (x.ndim - 2) + (0, slots), value=value)


def _with_now(fade: Tensor, ahead: Tensor, bonus: Tensor, bidirectional: bool) -> Tensor:
    """Return fadings with the bonus where i = t and, if causal, zeros where i > t."""
    fade = torch.where((ahead == 0)[..., None, None], bonus, fade)
    return fade if bidirectional else fade.masked_fill((ahead < 0)[..., None, None], 0.0)


def _weigh(r: Tensor, k: Tensor, v: Tensor, fade: Tensor) -> Tensor:
    score = (r.unsqueeze(2) * (k.unsqueeze(1) * fade)).sum(-1)  # (B, t, i, h)
    return torch.einsum("btih,bihc->bthc", score, v)


def _couple(left: Tensor, right: Tensor, fade: Tensor, where: Tensor) -> Tensor:
    """Return the product of every pair through the fading: (B, n, h, c) twice -> (B, h, t, i), zero outside `where`."""
    score = (left.unsqueeze(2) * (right.unsqueeze(1) * fade)).sum(-1)
    return score.masked_fill(~where[..., None], 0.0).permute(0, 3, 1, 2)


def _by_head(x: Tensor) -> Tensor:
    return x.transpose(1, 2)  # (B, h, n, c)
