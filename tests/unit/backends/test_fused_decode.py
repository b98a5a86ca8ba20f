# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""cuda/decode.cu in the emulator decides the same as the policy; without a GPU the driver refuses."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
if shutil.which("g++") is None:
    pytest.skip("needs g++", allow_module_level=True)

from mat_ros.backends.cuda_driver import Driver  # noqa: E402
from mat_ros.backends.fused_decode import SHARED_FLOATS, check_fits, pack_weights  # noqa: E402
from mat_ros.core.errors import Missing, Refused  # noqa: E402
from mat_ros.core.policy.bundle import Bundle  # noqa: E402
from support.places import ROOT  # noqa: E402
from training.exporting.sample import random_policy  # noqa: E402

SLOTS, ACTIONS, BATCH = 3, 2, 2


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    library = tmp_path_factory.mktemp("emulated") / "decode.so"
    subprocess.run(["g++", "-std=c++17", "-O1", "-fPIC", "-shared", "-include", "cuda/emulator.h", "-x", "c++",
                    "cuda/decode.cu", "-o", str(library)], cwd=ROOT, check=True)
    return ctypes.CDLL(str(library))


def address(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def test_the_emulated_kernel_decides_what_the_policy_decides(emulated: ctypes.CDLL) -> None:
    policy = random_policy(3, 0.08, agents=SLOTS, obs_dim=4, act_dim=ACTIONS, encoder="rwkv4", decoder="rwkv4")
    mask = np.ones((SLOTS, ACTIONS), np.float32)
    mask[1, 1] = 0.0
    enc = torch.randn(BATCH, SLOTS, 64, generator=torch.Generator().manual_seed(0))
    state, action, decided = policy.initial_state(BATCH), policy.start_action(BATCH), []
    with torch.no_grad():
        for slot in range(SLOTS):
            action, state = policy.step(enc[:, slot], action, state)
            action = action * torch.from_numpy(mask[slot])
            decided.append(action)

    weights = pack_weights({name: tensor.numpy() for name, tensor in policy.state_dict().items()})
    found = np.full((BATCH, SLOTS, ACTIONS), np.nan, np.float32)
    handed = np.full((BATCH, 320), np.nan, np.float32)
    status = emulated.mat_ros_decode_rwkv4(
        address(weights), address(enc.numpy()), address(mask), SLOTS, ACTIONS, BATCH, address(found), address(handed),
        1, None)
    assert status == 0
    np.testing.assert_allclose(found, torch.stack(decided, 1).numpy(), atol=5e-6)
    np.testing.assert_allclose(handed, state.numpy(), rtol=2e-5, atol=1e-5)
    assert not found[:, 1, 1].any()


def test_shared_memory_is_counted_alike_on_both_sides(emulated: ctypes.CDLL) -> None:
    assert emulated.mat_ros_decode_shared_bytes() == 4 * SHARED_FLOATS


def test_a_policy_that_the_kernel_was_not_written_for_is_refused() -> None:
    bundle = Bundle.load(ROOT / "tests" / "golden" / "bundles" / "attention")
    with pytest.raises(Refused, match=r"fused decode: expected a decoder \(rwkv4, 1 block, width 64\)"):
        check_fits(bundle.manifest.network)


def test_a_machine_without_a_driver_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mat_ros.backends.cuda_driver.LIBRARY", "libcuda_of_no_machine.so.1")
    with pytest.raises(Missing, match="the CUDA driver is missing"):
        Driver()


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")
def test_the_kernel_compiles_without_spilling_to_ptx_that_an_older_driver_reads(tmp_path: Path) -> None:
    nvcc = ["nvcc", "-std=c++17", "-O3", "cuda/decode.cu"]
    cubin = [*nvcc, "-arch=sm_90", "-Xptxas", "-v", "-cubin", "-o", str(tmp_path / "decode.cubin")]
    said = subprocess.run(cubin, cwd=ROOT, check=True, capture_output=True, text=True).stderr
    assert "0 bytes spill stores, 0 bytes spill loads" in said
    ptx = [*nvcc, "-arch=compute_80", "-ptx", "-o", str(tmp_path / "decode.ptx")]
    subprocess.run(ptx, cwd=ROOT, check=True)
    version = re.search(r"\.version (\d+)\.(\d+)", (tmp_path / "decode.ptx").read_text())
    assert version is not None and (int(version[1]), int(version[2])) <= (9, 0)
