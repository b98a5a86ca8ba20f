# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmarks get their random policies from a program of training."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("onnxscript", reason="needs the train extra")

from mat_ros.bench import backends, chain
from mat_ros.core.policy.bundle import Bundle
from training.exporting.sample import KINDS, export_policies

pytestmark = pytest.mark.train


def test_the_benchmark_of_backends_names_the_kinds_that_the_program_knows() -> None:
    assert tuple(KINDS) == backends.KINDS


def test_a_policy_of_each_kind_and_size_is_written_once(tmp_path: Path) -> None:
    for _ in range(2):
        export_policies(tmp_path, ["mat", "rwkv4"], [2], [16])
        written = {path.name: Bundle.load(path).digest for path in tmp_path.iterdir()}
        assert set(written) == {"mat_2_16", "rwkv4_2_16"}
        (tmp_path / "mat_2_16" / "kept").touch()
    assert (tmp_path / "mat_2_16" / "kept").exists()
    network = Bundle.load(tmp_path / "mat_2_16").manifest.network
    assert (network.encoder, network.agents, network.width, network.obs_dim) == ("attention", 2, 16, 32)
    backends.make_policies(tmp_path, ["mat"], [2], [16])  # the program finds the folder there and leaves it
    assert (tmp_path / "mat_2_16" / "kept").exists()


def test_an_arm_has_a_joint_per_agent_and_measures_each(tmp_path: Path) -> None:
    chain.make_policies(tmp_path, [3])
    manifest = Bundle.load(tmp_path / "arm_3").manifest
    assert [agent.joints for agent in manifest.agents] == [(joint.name,) for joint in manifest.joints]
    assert [term.name for term in manifest.layout.terms] == ["joint_position", "joint_velocity"]
    assert len(manifest.joints) == 3 and round(1e9 / manifest.period_ns) == 60
