# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Training on a GPU computes the decisions of a CPU, learns, and resumes where it stopped."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from training.loop.checkpoint import newest_checkpoint, read_checkpoint  # noqa: E402
from training.loop.trainer import Trainer  # noqa: E402
from training.run.config import TrainConfig  # noqa: E402

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs torch built for CUDA, and a GPU"),
]
SMALL = TrainConfig(task="halfcheetah_6x1", envs=8, ticks=16, epochs=2, minibatches=4, device="cuda", engine="torch",
                    steps=8 * 16 * 4)
KINDS = [("mat", "mat"), ("mat", "marwkv4"), ("mat", "hybrid"), ("mappo", "mat"), ("happo", "mat"), ("hatrpo", "mat"),
         ("ppo", "mat")]


@pytest.mark.parametrize(("algorithm", "policy"), KINDS)
def test_the_gpu_decides_what_the_processor_decides_and_learns(tmp_path: Path, algorithm: str, policy: str) -> None:
    config = replace(SMALL, algorithm=algorithm, policy=policy, run=tmp_path / "run")
    gpu, processor = Trainer(config), Trainer(replace(config, device="cpu"))
    before = {name: tensor.cpu().clone() for name, tensor in gpu.learner.policy_tensors().items()}
    processor.learner.load_policy(before)
    obs, noise = gpu.normaliser.apply(gpu.obs), torch.Generator()
    for got, want in zip(gpu.learner.act(obs, noise, deterministic=True),
                         processor.learner.act(obs, noise, deterministic=True), strict=True):
        np.testing.assert_allclose(got, want, atol=2e-4)
    metrics = gpu.iterate()
    assert math.isfinite(metrics["policy_loss"]) and math.isfinite(metrics["value_loss"])
    assert any((tensor.cpu() != before[name]).any() for name, tensor in gpu.learner.policy_tensors().items())


@pytest.mark.parametrize(("algorithm", "policy"), [("mat", "marwkv4"), ("mappo", "mat")])
def test_a_resumed_training_ends_where_the_uninterrupted_one_does(tmp_path: Path, algorithm: str, policy: str) -> None:
    config = replace(SMALL, algorithm=algorithm, policy=policy, run=tmp_path / "run")
    whole = Trainer(config)
    for _ in range(2):
        whole.iterate()
    whole.save()
    for _ in range(2):
        whole.iterate()
    resumed = Trainer(config)
    resumed.restore(read_checkpoint(newest_checkpoint(config.run)))
    for _ in range(2):
        resumed.iterate()
    for name, tensor in whole.learner.policy_tensors().items():
        torch.testing.assert_close(resumed.learner.policy_tensors()[name], tensor, rtol=0.0, atol=1e-5)
