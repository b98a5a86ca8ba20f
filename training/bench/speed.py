# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Measure training on HalfCheetah 6x1 against the yardstick, in one run: `python -m training.bench --json`.

A rate is end to end: environment steps divided by the seconds of collecting and updating. It is the median over
iterations after a first one that warms up. `sps` is by wall clock, at the best thread count of each side. `cpu_sps`
counts the seconds of all cores and processes, which a busy machine hardly changes. Read `cpu_sps` where `load` is high.

Other benchmarks: `python -m training.bench models|environments|graphs|kernels --help`.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from training.bench.plain import PlainTrainer
from training.envs import make
from training.loop.trainer import Trainer
from training.run.config import TrainConfig

POLICIES = {"mat": "mat", "rwkv4": "marwkv4"}
# Multiplications and additions of the matrix products of a forward pass, per token. Backward costs twice as many.
TOKENS, STEPS = 600, 400


@dataclass(frozen=True)
class SpeedConfig:
    """Measure steps per second."""

    json: bool = False
    """One JSON object is printed instead of a table."""
    iterations: int = 5
    """The fast side runs this many iterations, the yardstick two fewer."""
    threads: tuple[int, ...] = (1, 2)
    """Each side is measured with these numbers of threads."""
    policies: tuple[str, ...] = ("mat", "rwkv4")
    """These policies are measured."""
    yardstick: bool = True
    """The plain structure is measured too."""


def measure_plain(policy: str, threads: int, iterations: int) -> dict[str, float]:
    """Return the yardstick's steps per second."""
    torch.set_num_threads(threads)
    trainer = PlainTrainer(POLICIES[policy])
    try:
        processes = [process.pid for process in trainer.environments.processes]
        whole, used = [], []
        for _ in range(iterations):
            began, busy = time.perf_counter(), time.process_time() + _cpu_seconds(processes)
            trainer.iterate()
            whole.append(time.perf_counter() - began)
            used.append(time.process_time() + _cpu_seconds(processes) - busy)
        return {"sps": trainer.config.samples / _median(whole), "cpu_sps": trainer.config.samples / _median(used)}
    finally:
        trainer.close()


def _cpu_seconds(processes: Sequence[int | None]) -> float:
    """Return the processor time that other processes have used, or 0 where the system does not report it."""
    ticks = 0
    for pid in processes:
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists():
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])  # user and system
    return ticks / os.sysconf("SC_CLK_TCK")


def measure_fast(policy: str, threads: int, iterations: int) -> dict[str, float]:
    """Return our steps per second, the seconds of an update and the milliseconds of a decision."""
    torch.set_num_threads(threads)
    config = TrainConfig(policy=POLICIES[policy], threads=threads, run=Path(os.devnull))  # type: ignore[arg-type]
    trainer = Trainer(config, make(config.task, config.envs, threads=threads))
    whole, used, update = [], [], []
    for _ in range(iterations):
        began, busy, metrics = time.perf_counter(), time.process_time(), trainer.iterate()
        whole.append(time.perf_counter() - began)
        used.append(time.process_time() - busy)
        update.append(metrics["update_s"])
    obs, noise = trainer.normaliser.apply(trainer.obs), torch.Generator()
    act = _median([_timed(lambda: trainer.learner.act(obs, noise)) for _ in range(50)])
    return {"sps": config.samples / _median(whole), "cpu_sps": config.samples / _median(used),
            "update_s": _median(update), "act_ms": 1e3 * act}


def measure_environment(threads: int, ticks: int = 300) -> float:
    """Return environment steps per second and thread with random actions."""
    environment = make("halfcheetah_6x1", 40, threads=threads)
    environment.reset(1)
    actions = np.random.default_rng(0).uniform(-1, 1, (ticks, 40, 6, 1)).astype(np.float32)
    began = time.perf_counter()
    for action in actions:
        environment.step(action)
    return 40 * ticks / (time.perf_counter() - began) / threads


def product_floor() -> float:
    """Return the seconds that one thread needs for the matrix products of one MAT update alone."""
    torch.set_num_threads(1)
    x, w = torch.randn(72, 64), torch.randn(64, 64)
    for _ in range(100):
        torch.mm(x, w)
    seconds = _median([_timed(lambda: [torch.mm(x, w) for _ in range(100)]) for _ in range(20)]) / 100
    per_token = 64 * (13 + 64 * (4 + 2 + 1) + 1) + 64 * (1 + 64 * (4 + 4 + 2 + 1) + 1)  # encoder and value, decoder
    return 3 * STEPS * TOKENS * per_token / (72 * 64 * 64 / seconds)


def _timed(run: Any) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _median(values: list[float]) -> float:
    return statistics.median(values[1:] if len(values) > 1 else values)


def main(arguments: Sequence[str]) -> int:
    """Run `python -m training.bench`."""
    config = tyro.cli(SpeedConfig, prog="python -m training.bench", description=__doc__, args=arguments)
    result: dict[str, Any] = {"load": os.getloadavg()[0], "cores": os.cpu_count(),
                              "env_sps": {str(n): round(measure_environment(n)) for n in config.threads},
                              "product_floor_s": round(product_floor(), 3)}
    for policy in config.policies:
        fast = {n: measure_fast(policy, n, config.iterations) for n in config.threads}
        best = max(fast, key=lambda n: fast[n]["sps"])
        row: dict[str, Any] = {"sps": round(fast[best]["sps"]), "threads": best,
                               "cpu_sps": round(fast[best]["cpu_sps"]),
                               "sps_by_threads": {str(n): round(found["sps"]) for n, found in fast.items()},
                               "env_sps": result["env_sps"].get("1"),
                               "act_ms": round(fast[best]["act_ms"], 3), "update_s": round(fast[best]["update_s"], 3)}
        if config.yardstick:
            plain = {n: measure_plain(policy, n, max(2, config.iterations - 2)) for n in config.threads}
            top = max(plain, key=lambda n: plain[n]["sps"])
            thrifty = max(found["cpu_sps"] for found in plain.values())
            row |= {"plain_sps": round(plain[top]["sps"]), "plain_threads": top, "plain_cpu_sps": round(thrifty),
                    "plain_sps_by_threads": {str(n): round(found["sps"]) for n, found in plain.items()},
                    "ratio": round(row["sps"] / plain[top]["sps"], 2), "cpu_ratio": round(row["cpu_sps"] / thrifty, 2)}
        result[policy] = row
    result["load_after"] = os.getloadavg()[0]
    if config.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name}: {value}")
    return 0
