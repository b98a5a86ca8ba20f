# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""On a real GPU the kernels are built, chosen, and compute the results of the reference."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from training.bench.kernels import inputs, operators  # noqa: E402
from training.models import wkv, wkv_kernels, wkv_reference  # noqa: E402

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs torch built for CUDA, and a GPU"),
]
RELATIVE = {torch.float32: 5e-6, torch.bfloat16: 8e-3}


@pytest.mark.parametrize("dtype", RELATIVE, ids=["float32", "bfloat16"])
@pytest.mark.parametrize(("batch", "agents", "width"), [(3, 1, 64), (40, 6, 64), (7, 52, 128)])
@pytest.mark.parametrize("name", ["wkv4", "wkv5", "wkv6"])
def test_the_kernel_on_the_gpu_is_the_reference_forward_and_backward(name, batch, agents, width, dtype):
    kernel, reference = operators()[name]
    leaves = inputs(name, batch, agents, width, dtype)
    assert wkv_kernels.fits(leaves[0])
    exact = [x.detach().double().requires_grad_() for x in leaves]
    out, expected = kernel(*leaves), reference(*exact)
    grad = torch.randn_like(out)
    out.backward(grad)
    expected.backward(grad.double())
    pairs = [(out, expected), *((x.grad, y.grad) for x, y in zip(leaves, exact, strict=True))]
    for got, want in pairs:
        assert (got.double() - want).abs().max() <= RELATIVE[dtype] * want.abs().max()


def test_the_kernel_is_taken_where_it_fits_and_gives_the_same_bits_again():
    leaves = inputs("wkv4", 40, 6, 64, torch.float32)
    first = wkv.wkv4(*leaves)
    assert first.grad_fn is not None and "mat_ros_wkv4" in type(first.grad_fn).__name__
    assert torch.equal(first, wkv.wkv4(*leaves))
    assert (first - wkv_reference.wkv4(*leaves)).abs().max() < 1e-5
