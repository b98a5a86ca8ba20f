# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Call the kernels of cuda/wkv.cu as torch operators with gradients.

Where there is a GPU and nvcc, torch's extension builder compiles the source at first use. Elsewhere `fits` returns
False, without a message or an error, and wkv.py takes the parallel form. torch.compile treats each operator as one
opaque call.
"""

from __future__ import annotations

import ctypes
import logging
from pathlib import Path

import torch
from torch import Tensor

SOURCE = Path(__file__).parents[2] / "cuda" / "wkv.cu"
HEAD_SIZES = (8, 16, 32, 64)  # the sizes that the source is compiled for
TYPES = (torch.float32, torch.bfloat16)

_libraries: dict[str, ctypes.CDLL | None] = {}  # device type -> library


def fits(x: Tensor, head_size: int = HEAD_SIZES[0]) -> bool:
    """Return whether a kernel exists for this tensor's device, type and head size."""
    return x.dtype in TYPES and head_size in HEAD_SIZES and _library(x.device.type) is not None


def wkv4(key: Tensor, value: Tensor, rate: Tensor, bonus: Tensor) -> Tensor:
    """Return the causal wkv_reference.wkv4 from a kernel. Rate and bonus are float32; the output has the key's type."""
    return torch.ops.mat_ros.wkv4(key.contiguous(), value.contiguous(), rate.contiguous(), bonus.contiguous())


def wkv6(r: Tensor, k: Tensor, v: Tensor, rate: Tensor, bonus: Tensor) -> Tensor:
    """Return the causal wkv_reference.wkv6 or, where `rate` is (h, c), wkv5 from a kernel."""
    return torch.ops.mat_ros.wkv6(*(x.contiguous() for x in (r, k, v, rate, bonus)))


def _library(device: str) -> ctypes.CDLL | None:
    if device == "cuda" and device not in _libraries:
        _libraries[device] = _build()
    return _libraries.get(device)


def _build() -> ctypes.CDLL | None:
    from torch.utils import cpp_extension  # looks for CUDA and needs setuptools, which a machine without a GPU may lack

    if not SOURCE.exists() or cpp_extension.CUDA_HOME is None:
        return None
    try:
        path = cpp_extension.load("mat_ros_wkv", [str(SOURCE)], extra_cuda_cflags=["-O3"], is_python_module=False)
        return ctypes.CDLL(str(path))
    except (OSError, RuntimeError, ImportError) as error:
        logging.getLogger(__name__).info("no WKV kernels, the parallel form is used: %s", error)
        return None


def _call(name: str, like: Tensor, *arguments: Tensor | int) -> None:
    library = _library(like.device.type)
    assert library is not None
    stream = torch.cuda.current_stream(like.device).cuda_stream if like.is_cuda else 0
    raw = [ctypes.c_void_p(x.data_ptr()) if isinstance(x, Tensor) else ctypes.c_int(x) for x in arguments]
    bf16 = ctypes.c_int(like.dtype == torch.bfloat16)
    error = getattr(library, f"mat_ros_{name}")(bf16, *raw, ctypes.c_void_p(stream))
    if error:
        raise RuntimeError(
            f"expected {name} to launch, got CUDA error {error}; try compute-sanitizer on the same inputs"
        )


# ---- version 4 -------------------------------------------------------------------------------------------------------


@torch.library.custom_op("mat_ros::wkv4", mutates_args=())
def _wkv4(key: Tensor, value: Tensor, rate: Tensor, bonus: Tensor) -> Tensor:
    out = torch.empty_like(key)
    _call("wkv4_forward", key, *key.shape, key, value, rate, bonus, out)
    return out


@torch.library.custom_op("mat_ros::wkv4_backward", mutates_args=())
def _wkv4_backward(
    grad: Tensor, key: Tensor, value: Tensor, rate: Tensor, bonus: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch, _, width = key.shape
    workspace = rate.new_empty(2, *key.shape)
    grad_key, grad_value = torch.empty_like(key), torch.empty_like(value)
    partial = rate.new_empty(2, batch, width)  # one sum per batch row: without atomics the bits are the same every time
    arguments = (key, value, rate, bonus, grad, workspace, grad_key, grad_value, partial[0], partial[1])
    _call("wkv4_backward", key, *key.shape, *arguments)
    return grad_key, grad_value, partial[0].sum(0), partial[1].sum(0)


@_wkv4.register_fake
def _(key: Tensor, value: Tensor, rate: Tensor, bonus: Tensor) -> Tensor:
    return torch.empty_like(key)


@_wkv4_backward.register_fake
def _(grad: Tensor, key: Tensor, value: Tensor, rate: Tensor, bonus: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return torch.empty_like(key), torch.empty_like(value), torch.empty_like(rate), torch.empty_like(bonus)


# ---- versions 5 and 6 ------------------------------------------------------------------------------------------------


@torch.library.custom_op("mat_ros::wkv6", mutates_args=())
def _wkv6(r: Tensor, k: Tensor, v: Tensor, rate: Tensor, bonus: Tensor) -> Tensor:
    out = torch.empty_like(k)
    _call("wkv6_forward", k, int(rate.dim() == 4), *k.shape, r, k, v, rate, bonus, out)
    return out


@torch.library.custom_op("mat_ros::wkv6_backward", mutates_args=())
def _wkv6_backward(
    grad: Tensor, r: Tensor, k: Tensor, v: Tensor, rate: Tensor, bonus: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    per_slot = rate.dim() == 4
    partial_shape = (k.shape[0], *k.shape[2:])
    workspace = rate.new_empty(k.shape)
    grad_r, grad_k, grad_v = torch.empty_like(r), torch.empty_like(k), torch.empty_like(v)
    grad_rate = rate.new_empty(k.shape if per_slot else partial_shape)
    grad_bonus = rate.new_empty(partial_shape)
    arguments = (r, k, v, rate, bonus, grad, workspace, grad_r, grad_k, grad_v, grad_rate, grad_bonus)
    _call("wkv6_backward", k, int(per_slot), *k.shape, *arguments)
    return grad_r, grad_k, grad_v, grad_rate if per_slot else grad_rate.sum(0), grad_bonus.sum(0)


@_wkv6.register_fake
def _(r: Tensor, k: Tensor, v: Tensor, rate: Tensor, bonus: Tensor) -> Tensor:
    return torch.empty_like(k)


@_wkv6_backward.register_fake
def _(
    grad: Tensor, r: Tensor, k: Tensor, v: Tensor, rate: Tensor, bonus: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    like_r, like_k, like_v = torch.empty_like(r), torch.empty_like(k), torch.empty_like(v)
    return like_r, like_k, like_v, torch.empty_like(rate), torch.empty_like(bonus)


def _keep_inputs(ctx: torch.autograd.function.FunctionCtx, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


_wkv4.register_autograd(
    lambda ctx, grad: torch.ops.mat_ros.wkv4_backward(grad.contiguous(), *ctx.saved_tensors), setup_context=_keep_inputs
)
_wkv6.register_autograd(
    lambda ctx, grad: torch.ops.mat_ros.wkv6_backward(grad.contiguous(), *ctx.saved_tensors), setup_context=_keep_inputs
)
