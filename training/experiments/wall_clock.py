# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the wall-clock time and the parameters of the policies.

The variants are torch, the compiled loop and, on a GPU, the CUDA kernel on and off. With `--steps` at full scale the
table also shows when each run first reached a return.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import tyro

from training.experiments.study import StudyConfig, write_table
from training.loop.metrics import MetricLog
from training.loop.trainer import Trainer
from training.models import wkv_kernels
from training.run.config import TrainConfig

POLICIES: tuple[Literal["mat", "marwkv4", "hybrid"], ...] = ("mat", "marwkv4", "hybrid")
RETURNS = (2000.0, 3500.0)


@dataclass(frozen=True)
class TimeConfig(StudyConfig):
    """Set the policies and the devices of this experiment."""

    policies: tuple[Literal["mat", "marwkv4", "hybrid"], ...] = POLICIES
    """These policies are timed."""
    devices: tuple[Literal["cpu", "cuda"], ...] = ("cpu", "cuda")
    """They are timed on these devices, where the machine has them."""


def variants(devices: Sequence[str]) -> list[dict[str, Any]]:
    """Return the variants to time on this machine."""
    found: list[dict[str, Any]] = []
    if "cpu" in devices:
        found += [{"device": "cpu", "engine": engine, "kernel": "on"} for engine in ("torch", "auto")]
    if "cuda" in devices and torch.cuda.is_available():
        found += [{"device": "cuda", "engine": "torch", "kernel": kernel} for kernel in ("on", "off")]
    return found


@contextmanager
def without_kernel() -> Iterator[None]:
    """Compute WKV by the exact parallel form meanwhile."""
    fits = wkv_kernels.fits
    wkv_kernels.fits = lambda *_, **__: False
    try:
        yield
    finally:
        wkv_kernels.fits = fits


def time_run(policy: str, variant: dict[str, Any], config: TimeConfig) -> dict[str, Any]:
    """Train for the given steps and return the seconds in a row of the table."""
    run = config.out / f"time_{policy}_{variant['device']}_{variant['engine']}_kernel-{variant['kernel']}"
    settings = TrainConfig(policy=policy, engine=variant["engine"], device=variant["device"],  # type: ignore[arg-type]
                           steps=config.steps, seed=config.seeds[0], run=run)
    trainer = Trainer(settings)
    run.mkdir(parents=True, exist_ok=True)
    (run / "metrics.csv").unlink(missing_ok=True)
    log = MetricLog(run, settings.steps, None)
    began = time.perf_counter()
    with nullcontext() if variant["kernel"] == "on" else without_kernel():
        trainer.train(log)
    seconds = time.perf_counter() - began
    log.close()
    count = sum(tensor.numel() for tensor in trainer.learner.policy_tensors().values())
    return {"policy": policy, **variant, "parameters": count, "steps": trainer.steps, "seconds": f"{seconds:.1f}",
            "steps_per_s": f"{trainer.steps / seconds:.0f}",
            **{f"seconds_to_{goal:.0f}": first_reached(run / "metrics.csv", goal) for goal in RETURNS}}


def first_reached(metrics: Path, goal: float) -> str:
    """Return the seconds after which the training return first reached a goal, or nothing where it did not."""
    with metrics.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["return"] != "nan" and float(row["return"]) >= goal:
                return row["elapsed_s"]
    return ""


def main(config: TimeConfig) -> None:
    """Time every policy in every variant, one after another."""
    torch.set_num_threads(1)
    rows = [time_run(policy, variant, config) for policy in config.policies for variant in variants(config.devices)]
    write_table(config.out / "wall_clock.csv", rows)


if __name__ == "__main__":
    main(tyro.cli(TimeConfig, prog="python -m training.experiments.wall_clock", description=__doc__))
