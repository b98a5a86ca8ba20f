# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Mix by attention: the mixer and MAT's two blocks, in their parallel form and their step form.

    attend(q, k, v) = softmax(q kᵀ / sqrt(d / heads)) v

`parallel` reads all slots at once. `step` reads one new slot and the keys and values of the slots before it. Both
attend to the same keys, so they agree to rounding.

Training computes the same numbers in a third way. With one head, q·k = (W_q x + b_q)·(W_k y + b_k) is (A x + c)·y with
A = W_kᵀ W_q and c = W_kᵀ b_q, up to a term that is equal for all keys and that softmax cancels. W_o after W_v is one
matrix too. This way needs two products per row instead of four, forwards and backwards: 30 % fewer operations in a
whole update.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.models.layers import Mlp, linear
from training.models.state import StatePart
from training.models.wkv_reference import NEVER

FUSED_SLOTS = 12  # up to here compiled sums beat batched products, which cost a call per attention and direction


class SelfAttention(nn.Module):
    """Let every slot attend to every slot or, if causal, to itself and its predecessors."""

    def __init__(self, width: int, heads: int, *, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.query_key_value = linear(width, width, fused=3)  # rows: query, key, value
        self.out = linear(width, width)

    def parallel(self, x: Tensor) -> Tensor:  # (B, n, d) -> (B, n, d)
        if self.heads == 1 and _trains():
            w_query, w_key, w_value = self.query_key_value.weight.chunk(3)
            b_query, _, b_value = self.query_key_value.bias.chunk(3)
            return attend_absorbed(x, x, w_query, b_query, w_key, w_value, b_value, self.out, causal=self.causal)
        query, key, value = self.query_key_value(x).chunk(3, dim=-1)
        return self.out(attend(query, key, value, self.heads, causal=self.causal))

    def step(self, x_i: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Attend from the newest slot: x_i (B, d), past (B, i, 2d) -> (B, d), its own key and value (B, 2d)."""
        query, newest = self.query_key_value(x_i).tensor_split([x_i.shape[-1]], dim=-1)
        return self.out(attend_newest(query, past, newest, self.heads)), newest


class CrossAttention(nn.Module):
    """Attend from slot i's encoding to the actions decided up to slot i-1, which the stream x holds at rows <= i."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = linear(width, width)
        self.key_value = linear(width, width, fused=2)  # rows: key, value
        self.out = linear(width, width)

    def parallel(self, enc: Tensor, x: Tensor) -> Tensor:  # (B, n, d), (B, n, d) -> (B, n, d)
        if self.heads == 1 and _trains():
            (w_key, w_value), b_value = self.key_value.weight.chunk(2), self.key_value.bias.chunk(2)[1]
            w_query, b_query = self.query.weight, self.query.bias
            return attend_absorbed(enc, x, w_query, b_query, w_key, w_value, b_value, self.out, causal=True)
        key, value = self.key_value(x).chunk(2, dim=-1)
        return self.out(attend(self.query(enc), key, value, self.heads, causal=True))

    def step(self, enc_i: Tensor, x_i: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Attend from the newest slot: enc_i, x_i (B, d), past (B, i, 2d) -> (B, d), its key and value (B, 2d)."""
        newest = self.key_value(x_i)
        return self.out(attend_newest(self.query(enc_i), past, newest, self.heads)), newest


class EncoderBlock(nn.Module):
    """Compute MAT's encoder block, post-LN: x = LN(x + attention(x)); x = LN(x + mlp(x))."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.mixer = SelfAttention(width, heads, causal=False)
        self.mixer_norm = nn.LayerNorm(width)
        self.mlp = Mlp(width)
        self.mlp_norm = nn.LayerNorm(width)

    def parallel(self, x: Tensor) -> Tensor:  # (B, n, d) -> (B, n, d)
        x = self.mixer_norm(x + self.mixer.parallel(x))
        return self.mlp_norm(x + self.mlp(x))


class DecoderBlock(nn.Module):
    """Compute MAT's decoder block: x attends to its predecessors, then the encoding attends to x and is added to it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.mixer = SelfAttention(width, heads, causal=True)
        self.mixer_norm = nn.LayerNorm(width)
        self.cross = CrossAttention(width, heads)
        self.cross_norm = nn.LayerNorm(width)
        self.mlp = Mlp(width)
        self.mlp_norm = nn.LayerNorm(width)

    @staticmethod
    def state_parts(width: int) -> tuple[StatePart, ...]:
        """Return the row that one decided slot adds to the state for its successors."""
        return tuple(StatePart(name, (width,)) for name in ("self_key", "self_value", "cross_key", "cross_value"))

    def parallel(self, x: Tensor, enc: Tensor) -> Tensor:  # (B, n, d), (B, n, d) -> (B, n, d)
        x = self.mixer_norm(x + self.mixer.parallel(x))
        x = self.cross_norm(enc + self.cross.parallel(enc, x))
        return self.mlp_norm(x + self.mlp(x))

    def step(self, x_i: Tensor, enc_i: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Decide one slot: x_i, enc_i (B, d), past (B, i, 4d) -> (B, d), the row to append (B, 4d)."""
        self_past, cross_past = past.chunk(2, dim=-1)
        mixed, self_row = self.mixer.step(x_i, self_past)
        x_i = self.mixer_norm(x_i + mixed)
        mixed, cross_row = self.cross.step(enc_i, x_i, cross_past)
        x_i = self.cross_norm(enc_i + mixed)
        return self.mlp_norm(x_i + self.mlp(x_i)), torch.cat([self_row, cross_row], dim=-1)


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, *, causal: bool) -> Tensor:
    """Return the values of all slots weighed by the match of their keys with each query; all (B, n, d)."""
    q, k, v = (split_heads(x, heads) for x in (query, key, value))  # (B, heads, n, d / heads)
    return F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).flatten(2)


def attend_absorbed(
    asking: Tensor,  # (B, n, d)
    asked: Tensor,  # (B, n, d)
    w_query: Tensor,
    b_query: Tensor,
    w_key: Tensor,
    w_value: Tensor,
    b_value: Tensor,
    out: nn.Linear,
    *,
    causal: bool,
) -> Tensor:  # (B, n, d)
    """Attend with one head. The key and value projections are absorbed into those of the query and the output."""
    query = F.linear(asking, w_key.T @ w_query, b_query @ w_key)
    if torch.compiler.is_compiling() and asked.shape[1] <= FUSED_SLOTS:
        mixed = attend_by_sums(query, asked, causal=causal)
    else:
        mixed = attend(query, asked, asked, heads=1, causal=causal)
    return F.linear(mixed, out.weight @ w_value, torch.addmv(out.bias, out.weight, b_value))


def _trains() -> bool:
    """Return whether gradients are wanted. An exported graph decides only, in whichever mode it is exported."""
    return torch.is_grad_enabled() and not torch.compiler.is_exporting()


def attend_by_sums(query: Tensor, asked: Tensor, *, causal: bool) -> Tensor:
    """Attend without matrix products. For a few slots the compiler makes one loop of this, without a call per robot."""
    score = (query.unsqueeze(2) * asked.unsqueeze(1)).sum(-1) * (query.shape[-1] ** -0.5)  # (B, t, i)
    if causal:
        slots = asked.shape[1]
        ahead = torch.ones(slots, slots, dtype=torch.bool, device=asked.device).triu(1)
        score = score.masked_fill(ahead, NEVER)
    return (torch.softmax(score, dim=-1).unsqueeze(-1) * asked.unsqueeze(1)).sum(2)


def attend_newest(query: Tensor, past: Tensor, newest: Tensor, heads: int) -> Tensor:
    """Attend from one slot to its predecessors and itself: (B, d), (B, i, 2d), (B, 2d) -> (B, d)."""
    answers = split_heads(torch.cat([past, newest.unsqueeze(1)], dim=1), 2 * heads)  # keys, then values
    key, value = answers.chunk(2, dim=1)  # (B, heads, i + 1, d / heads)
    return F.scaled_dot_product_attention(split_heads(query.unsqueeze(1), heads), key, value).flatten(1)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Cut the width into heads: (B, n, d) -> (B, heads, n, d / heads)."""
    return x.view(*x.shape[:-1], heads, -1).transpose(1, 2)
