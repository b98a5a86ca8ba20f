# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Threads may share a policy: each has machines of its own, and all send the same bytes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mat_ros.backends.native_library import LIBRARY
from mat_ros.core.policy.bundle import Bundle
from support.places import BUNDLES, ROOT, SUPPORT

if shutil.which("g++") is None or not LIBRARY.exists():
    pytest.skip("needs g++ and the compiled native backend", allow_module_level=True)

NUMBERS = {"attention": 0, "rwkv4": 4}
TICKS = 5
CHECKED = [f"-fsanitize={os.environ['MAT_ROS_TEST_SANITIZE']}"] if "MAT_ROS_TEST_SANITIZE" in os.environ else []


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("native") / "native_threads"
    subprocess.run(["g++", "-std=c++17", "-O1", "-g", "-pthread", *CHECKED, f"-I{ROOT}/mat_ros/backends/native",
                    str(SUPPORT / "native_threads.cpp"), str(LIBRARY), f"-Wl,-rpath,{LIBRARY.parent}", "-o",
                    str(program)], check=True)
    return program


def case(bundle: Bundle, folder: Path) -> Path:
    """Write sizes, normaliser, masks, start state and observations."""
    manifest, net = bundle.manifest, bundle.manifest.network
    sizes = np.array([NUMBERS[net.encoder], NUMBERS[net.decoder], net.bidirectional, net.agents, net.obs_dim,
                      net.act_dim, net.width, net.enc_dim, net.blocks, net.heads, TICKS], np.int32)
    numbers = [manifest.normaliser.clip, manifest.normaliser.mean, manifest.normaliser.std, manifest.observed,
               manifest.action_map.mask, manifest.state.start(), bundle.golden()["observation"][:TICKS]]
    file = folder / "case"
    file.write_bytes(sizes.tobytes() + b"".join(np.array(part, np.float32).tobytes() for part in numbers))
    return file


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(NUMBERS))
def test_machines_in_several_threads_share_a_policy(kind: str, program: Path, tmp_path: Path) -> None:
    bundle = Bundle.load(BUNDLES / kind)
    command = [str(program), str(bundle.path("weights.safetensors")), str(case(bundle, tmp_path))]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 0
