# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Choose how WKV is computed: by a CUDA kernel where one is built and fits, else by the exact parallel form.

On the CPU the fastest form measured is the parallel form, compiled together with the rest of the policy.
"""

from __future__ import annotations

from torch import Tensor

from training.models import wkv_kernels, wkv_reference


def wkv4(key: Tensor, value: Tensor, rate: Tensor, bonus: Tensor, *, bidirectional: bool = False) -> Tensor:
    """Return values averaged by softmax weights; see wkv_reference.wkv4."""
    if not bidirectional and wkv_kernels.fits(key):
        return wkv_kernels.wkv4(key, value, rate, bonus)
    return wkv_reference.wkv4(key, value, rate, bonus, bidirectional=bidirectional)


def wkv5(r: Tensor, k: Tensor, v: Tensor, rate: Tensor, bonus: Tensor, *, bidirectional: bool = False) -> Tensor:
    """Return readings of a matrix of products that fades at a constant rate; see wkv_reference.wkv5."""
    if not bidirectional and wkv_kernels.fits(k, head_size=k.shape[-1]):
        return wkv_kernels.wkv6(r, k, v, rate, bonus)
    return wkv_reference.wkv5(r, k, v, rate, bonus, bidirectional=bidirectional)


def wkv6(r: Tensor, k: Tensor, v: Tensor, rate: Tensor, bonus: Tensor, *, bidirectional: bool = False) -> Tensor:
    """Return readings of a matrix of products that fades at each slot's own rate; see wkv_reference.wkv6."""
    if not bidirectional and wkv_kernels.fits(k, head_size=k.shape[-1]):
        return wkv_kernels.wkv6(r, k, v, rate, bonus)
    return wkv_reference.wkv6(r, k, v, rate, bonus, bidirectional=bidirectional)
