# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the WKV kernels against the parallel form in torch, on a GPU.

    python -m training.bench kernels --json

The figures are milliseconds per call between CUDA events, the median of many calls, for the sizes of three training
batches.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch
from torch import Tensor

from training.models import wkv_kernels, wkv_reference

SHAPES = ((4000, 6, 64), (20000, 2, 128), (4000, 52, 64))  # (batch, agents, width)
HEAD_SIZE = 64
REPEATS = 50
Operator = Callable[..., Tensor]


def operators() -> dict[str, tuple[Operator, Operator]]:
    """Return each kernel with the parallel form that it replaces."""
    return {
        "wkv4": (wkv_kernels.wkv4, wkv_reference.wkv4),
        "wkv5": (wkv_kernels.wkv6, wkv_reference.wkv5),
        "wkv6": (wkv_kernels.wkv6, wkv_reference.wkv6),
    }


def inputs(name: str, batch: int, agents: int, width: int, dtype: torch.dtype) -> list[Tensor]:
    """Return random inputs of an operator, on the GPU."""
    shape = (batch, agents, width) if name == "wkv4" else (batch, agents, width // HEAD_SIZE, HEAD_SIZE)
    streams = [torch.randn(shape, device="cuda").to(dtype) for _ in range(2 if name == "wkv4" else 3)]
    constant = shape[2:]
    rate = torch.rand(shape if name == "wkv6" else constant, device="cuda")
    return [x.requires_grad_() for x in (*streams, rate, torch.randn(constant, device="cuda"))]


def median_ms(call: Callable[[], object]) -> float:
    """Return the median time of a call in ms, by CUDA events."""
    call()
    times = []
    for _ in range(REPEATS):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        call()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return round(median(times), 4)


def measure(operator: Operator, leaves: list[Tensor]) -> dict[str, float | str]:
    """Return the times of forward alone and of forward with backward, or the error where memory does not suffice."""

    def both() -> None:
        operator(*leaves).float().sum().backward()

    try:
        with torch.no_grad():
            forward = median_ms(lambda: operator(*leaves))
        return {"forward_ms": forward, "forward_backward_ms": median_ms(both)}
    except torch.cuda.OutOfMemoryError as error:
        return {"refused": str(error).partition(".")[0]}
    finally:
        torch.cuda.empty_cache()


def main(arguments: Sequence[str]) -> int:
    """Run `python -m training.bench kernels`: measure every kernel at every shape and type."""
    parser = argparse.ArgumentParser(
        prog="python -m training.bench kernels", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    given = parser.parse_args(arguments)
    if not torch.cuda.is_available() or not wkv_kernels.fits(torch.zeros(1, device="cuda")):
        raise SystemExit("expected a GPU, nvcc and ninja, got no kernels; install what is missing or use bench instead")
    report: dict[str, Any] = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "times": {}}
    for name, (kernel, parallel) in operators().items():
        for batch, agents, width in SHAPES:
            for dtype in (torch.float32, torch.bfloat16):
                leaves = inputs(name, batch, agents, width, dtype)
                key = f"{name} {batch}x{agents}x{width} {str(dtype).removeprefix('torch.')}"
                report["times"][key] = {"kernel": measure(kernel, leaves), "parallel": measure(parallel, leaves)}
                if not given.json:
                    print(key, report["times"][key], flush=True)
    if given.json:
        print(json.dumps(report, indent=1))
    return 0
