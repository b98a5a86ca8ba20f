# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The CUDA source, compiled by g++ into the emulator, computes the reference's outputs and gradients."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from support.places import ROOT  # noqa: E402
from training.models import wkv, wkv_kernels, wkv_reference  # noqa: E402

CUDA = ROOT / "cuda"
RELATIVE = {torch.float32: 5e-6, torch.bfloat16: 8e-3}  # bfloat16 has 8 bits: half a unit of the last place is 4e-3
needs_gxx = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
needs_nvcc = pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")


def emulate(source: Path, library: Path) -> Path:
    command = ["g++", "-std=c++17", "-O1", "-Wall", "-Wno-unknown-pragmas", "-Werror", "-fPIC", "-shared"]
    subprocess.run([*command, "-include", str(CUDA / "emulator.h"), "-x", "c++", source, "-o", library], check=True)
    return library


@pytest.fixture(scope="module")
def emulated(tmp_path_factory):
    path = emulate(CUDA / "wkv.cu", tmp_path_factory.mktemp("wkv") / "wkv_emulated.so")
    wkv_kernels._libraries["cpu"] = ctypes.CDLL(str(path))
    yield
    del wkv_kernels._libraries["cpu"]


def assert_same_both_ways(kernel, reference, inputs, dtype):
    """Compare the output and all gradients with those in float64, relative to the largest."""
    ours = [x.detach().clone().requires_grad_() for x in inputs]
    exact = [x.detach().double().requires_grad_() for x in inputs]
    out, expected = kernel(*ours), reference(*exact)
    assert out.dtype == dtype
    grad = torch.randn(out.shape).to(dtype)
    out.backward(grad)
    expected.backward(grad.double())
    pairs = [(out.detach(), expected.detach()), *((x.grad, y.grad) for x, y in zip(ours, exact, strict=True))]
    for got, want in pairs:
        assert (got.double() - want).abs().max() <= RELATIVE[dtype] * want.abs().max()


@needs_gxx
@pytest.mark.parametrize("dtype", RELATIVE, ids=["float32", "bfloat16"])
@pytest.mark.parametrize(("batch", "slots", "width"), [(1, 1, 3), (3, 6, 50), (2, 52, 64)])
def test_the_version_4_kernel_is_the_reference_forward_and_backward(emulated, batch, slots, width, dtype):
    torch.manual_seed(0)
    key, value = (3.0 * torch.randn(2, batch, slots, width)).to(dtype)
    rate, bonus = 2.0 * torch.rand(width), torch.randn(width)
    assert_same_both_ways(wkv_kernels.wkv4, wkv_reference.wkv4, (key, value, rate, bonus), dtype)


@needs_gxx
@pytest.mark.parametrize("dtype", RELATIVE, ids=["float32", "bfloat16"])
@pytest.mark.parametrize("version", [5, 6])
@pytest.mark.parametrize(("batch", "slots", "heads", "size"), [(1, 1, 1, 8), (2, 6, 2, 16), (1, 26, 1, 64)])
def test_the_version_5_and_6_kernels_are_the_reference_forward_and_backward(
    emulated, version, batch, slots, heads, size, dtype
):
    torch.manual_seed(0)
    r, k, v = torch.randn(3, batch, slots, heads, size).to(dtype)
    rate = 2.0 * (torch.rand(heads, size) if version == 5 else torch.rand(batch, slots, heads, size))
    reference = wkv_reference.wkv5 if version == 5 else wkv_reference.wkv6
    assert_same_both_ways(wkv_kernels.wkv6, reference, (r, k, v, rate, torch.randn(heads, size)), dtype)


@needs_gxx
@pytest.mark.parametrize("log_decay", [-1e4, 5.0, 1e4])
def test_the_kernels_stay_finite_at_the_limits_of_key_and_decay(emulated, log_decay):
    torch.manual_seed(0)
    key = 1e4 * torch.tensor([1.0, -1.0] * 4).view(1, 8, 1).expand(2, 8, 8)
    rate = wkv_reference.decay_rate(torch.full((8,), log_decay))
    leaves = [x.clone().requires_grad_() for x in (key, torch.randn(2, 8, 8), rate, torch.randn(8))]
    out = wkv_kernels.wkv4(*leaves)
    heads = [x.unsqueeze(2) for x in leaves[:2]]
    constants = [x.unsqueeze(0) for x in leaves[2:]]
    products = wkv_kernels.wkv6(heads[0], heads[0], heads[1], *constants)
    (out.sum() + products.sum()).backward()
    assert torch.isfinite(out).all() and torch.isfinite(products).all()
    assert all(torch.isfinite(x.grad).all() for x in leaves)
    expected = wkv_reference.wkv4(*(x.detach() for x in leaves))  # float32: keys of 1e4 round the bonus
    assert (out.detach() - expected).abs().max() < 1e-5


@needs_gxx
def test_a_policy_on_kernels_trains_as_on_the_parallel_form(emulated, shaken_policy):
    obs, actions = torch.randn(3, 6, 5), torch.randn(3, 6, 2)
    for name in ("marwkv4", "marwkv5", "marwkv6"):
        policy = shaken_policy(name, 6, dtype=torch.float32)
        gradients = []
        for kernels in (True, False):
            policy.zero_grad()
            assert wkv_kernels.fits(obs) is True
            model = policy if kernels else shaken_policy(name, 6, dtype=torch.float64)
            as_model = (obs, actions) if kernels else (obs.double(), actions.double())  # the kernels take no float64
            log_probs, _, values = model.evaluate(*as_model)
            (log_probs.mean() + values.mean()).backward()
            gradients.append(
                [parameter.grad.double() for parameter in model.parameters() if parameter.grad is not None]
            )
        largest = max(float(want.abs().max()) for want in gradients[1])
        for got, want in zip(*gradients, strict=True):
            assert (got - want).abs().max() <= 1e-5 * largest


def test_without_a_library_or_with_an_odd_head_the_parallel_form_is_taken(monkeypatch):
    monkeypatch.setattr(wkv_kernels, "_libraries", {})
    assert not wkv_kernels.fits(torch.zeros(1))
    k = torch.randn(1, 4, 1, 12)
    rate, bonus = torch.rand(1, 12), torch.randn(1, 12)
    assert torch.equal(wkv.wkv5(k, k, k, rate, bonus), wkv_reference.wkv5(k, k, k, rate, bonus))


@pytest.mark.train  # this test needs seconds, but no training
@needs_nvcc
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_the_kernels_compile_for_the_gpu_without_spilling_registers(tmp_path, architecture):
    command = ["nvcc", "-std=c++17", "-O3", f"-arch={architecture}", "-Xptxas", "-v", "-cubin"]
    output = [CUDA / "wkv.cu", "-o", tmp_path / "wkv.cubin"]
    done = subprocess.run([*command, *output], capture_output=True, text=True, check=True)
    spills = [line for line in done.stderr.splitlines() if "spill" in line]
    assert spills and all("0 bytes spill stores, 0 bytes spill loads" in line for line in spills)


WARP_SUM = """
#include "device.h"
__global__ void kernel(const float* x, float* sums) {
  MAT_ROS_DYNAMIC_SHARED(float, partial);
  float value = x[blockIdx.x * blockDim.x + threadIdx.x];
  for (int mask = 16; mask; mask >>= 1) value += __shfl_xor_sync(0xffffffffu, value, mask);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = value;
  __syncthreads();
  if (threadIdx.x == 0) {
    float sum = 0.0f;
    for (unsigned warp = 0; warp < blockDim.x / 32; ++warp) sum += partial[warp];
    sums[blockIdx.x] = sum;
  }
  BARRIER
}
extern "C" void run(const float* x, float* sums, int blocks) {
  MAT_ROS_LAUNCH(kernel, dim3(blocks), dim3(64), 2 * sizeof(float), nullptr, x, sums);
}
"""


@needs_gxx
def test_the_emulator_knows_blocks_barriers_shuffles_and_shared_memory(tmp_path):
    import ctypes

    source = tmp_path / "sum.cu"
    source.write_text(WARP_SUM.replace('"device.h"', f'"{CUDA / "device.h"}"').replace("BARRIER", ""))
    library = ctypes.CDLL(str(emulate(source, tmp_path / "sum.so")))
    x, sums = torch.randn(3, 64), torch.empty(3)
    library.run(ctypes.c_void_p(x.data_ptr()), ctypes.c_void_p(sums.data_ptr()), 3)
    assert torch.allclose(sums, x.sum(1), rtol=0, atol=1e-5)


@needs_gxx
def test_the_emulator_stops_where_a_gpu_would_hang(tmp_path):
    source = tmp_path / "hang.cu"
    barrier = "if (threadIdx.x == 0) __syncthreads();"
    main = "int main() { float x[64] = {}, s[1]; run(x, s, 1); }"
    text = WARP_SUM.replace('"device.h"', f'"{CUDA / "device.h"}"').replace("BARRIER", barrier)
    source.write_text(text + main)
    program = tmp_path / "hang"
    compile_it = ["g++", "-std=c++17", "-include", CUDA / "emulator.h", "-x", "c++", source, "-o", program]
    subprocess.run(compile_it, check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "barrier" in done.stderr
