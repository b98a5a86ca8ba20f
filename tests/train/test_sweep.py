# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A sweep trains every run in its own process and folder, here or on Ray, and continues where it stopped."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("mujoco", reason="needs the sim extra")

from training import sweep
from training.loop.checkpoint import newest_checkpoint, read_checkpoint
from training.sweep import SweepConfig, jobs_of, run_jobs

pytestmark = pytest.mark.train
SMALL = ("envs=2", "ticks=10", "minibatches=2", "epochs=1", "engine=torch")
ON_RAY = pytest.param("local", marks=pytest.mark.skipif(importlib.util.find_spec("ray") is None,
                                                        reason="needs the ray extra"))


def test_a_sweep_has_one_run_for_each_preset_fault_and_seed(tmp_path: Path) -> None:
    config = SweepConfig(presets=("mat_halfcheetah", "mappo_halfcheetah"), seeds=(1, 2), faults=("", "bthigh:off"),
                         out=tmp_path, settings=("width=32",))
    jobs = jobs_of(config)
    assert len({job.name for job in jobs}) == len({job.run for job in jobs}) == 8
    assert jobs[2].name == "mat_halfcheetah_bthigh-off_s1" and jobs[2].run == tmp_path / jobs[2].name
    words = " ".join(jobs[2].words)
    assert "--preset mat_halfcheetah" in words and "--faults bthigh:off" in words and words.endswith("--width 32")


@pytest.mark.parametrize("ray", ["", ON_RAY])
def test_runs_are_trained_to_their_end_and_reported_in_their_order(tmp_path: Path, ray: str) -> None:
    jobs = jobs_of(SweepConfig(seeds=(1, 2), steps=40, out=tmp_path, settings=SMALL))
    assert run_jobs(jobs, 2, ray, retries=0) == [("mat_halfcheetah_s1", 0), ("mat_halfcheetah_s2", 0)]
    for job in jobs:
        assert read_checkpoint(newest_checkpoint(job.run)).manifest["steps"] == 40


def test_a_run_that_fails_is_tried_again_and_then_given_up(tmp_path: Path) -> None:
    (job,) = jobs_of(SweepConfig(out=tmp_path, settings=("minibatches=7",)))
    assert run_jobs([job], 1, "", retries=1) == [(job.name, 1)]
    said = (job.run / "output.log").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("error: setting minibatches") for line in said) == 2


def test_a_sweep_without_ray_names_the_remedy_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
                                                          capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setattr(sys, "argv", ["sweep", "--ray", "local", "--out", str(tmp_path)])
    assert sweep.main() == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and "pip install" in said[0] and "[ray]'" in said[0]
