# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The C interface works without Python, and an ARM processor computes the same bits as an x86 processor."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mat_ros.core.policy.bundle import Bundle
from support.places import ROOT, SUPPORT

NATIVE = ROOT / "mat_ros" / "backends" / "native"
BUNDLES = ROOT / "tests" / "golden" / "bundles"
NUMBERS = {"attention": 0, "rwkv4": 4}
TICKS = 5
FLAGS = ["-std=c++17", "-O3", "-ffp-contract=off", "-static", f"-I{NATIVE}"]

if shutil.which("g++") is None:
    pytest.skip("needs g++", allow_module_level=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("native")


def compile_with(compiler: str, folder: Path) -> Path:
    program = folder / f"native_tick_{compiler}"
    if program.exists():
        return program
    sources = [str(path) for path in sorted(NATIVE.glob("*.cpp"))]
    subprocess.run([compiler, *FLAGS, str(SUPPORT / "native_tick.cpp"), *sources, "-o", str(program)],
                   check=True)
    return program


def write_case(bundle: Bundle, folder: Path) -> Path:
    """Write the input of the program: sizes, normaliser, masks, start state, observations."""
    manifest = bundle.manifest
    net = manifest.network
    sizes = np.array([NUMBERS[net.encoder], NUMBERS[net.decoder], net.bidirectional, net.agents, net.obs_dim,
                      net.act_dim, net.width, net.enc_dim, net.blocks, net.heads, TICKS], np.int32)
    numbers = [manifest.normaliser.clip, manifest.normaliser.mean, manifest.normaliser.std, manifest.observed,
               manifest.action_map.mask, manifest.state.start(), bundle.golden()["observation"][:TICKS]]
    case = folder / f"{net.decoder}.case"
    case.write_bytes(sizes.tobytes() + b"".join(np.array(part, np.float32).tobytes() for part in numbers))
    return case


def run(command: list[str], bundle: Bundle, path: str, folder: Path) -> str:
    arguments = [*command, str(bundle.path("weights.safetensors")), str(write_case(bundle, folder)), path]
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(NUMBERS))
def test_a_program_in_cpp_decides_the_golden_actions(kind: str, folder: Path) -> None:
    bundle = Bundle.load(BUNDLES / kind)
    lines = run([str(compile_with("g++", folder))], bundle, "auto", folder).splitlines()
    actions = np.frombuffer(bytes.fromhex("".join(lines[2::4])), ">f4").reshape(TICKS, 4, 1)
    np.testing.assert_allclose(actions, bundle.golden()["action"][:TICKS], atol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("aarch64-linux-gnu-g++") and shutil.which("qemu-aarch64-static")),
                    reason="needs g++-aarch64-linux-gnu and qemu-user-static")
@pytest.mark.parametrize("kind", list(NUMBERS))
def test_an_arm_processor_gives_the_bits_of_an_x86_one(kind: str, folder: Path) -> None:
    bundle = Bundle.load(BUNDLES / kind)
    here = run([str(compile_with("g++", folder))], bundle, "auto", folder)
    emulated = ["qemu-aarch64-static", str(compile_with("aarch64-linux-gnu-g++", folder))]
    assert run(emulated, bundle, "neon", folder) == here
    assert run(emulated, bundle, "scalar", folder) == here
