# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Measure how fast environments step, compared with their bare physics: `python -m training.bench environments --json`.

The figures count CPU seconds, which a busy machine does not change much. `overhead` is the share of the whole step that
observation, reward and reset take.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco.batch
import numpy as np
import tyro

from training.envs import make

FAMILIES = {"dexhands": "door_open_outward_hand", "mamujoco": "halfcheetah_6x1"}


@dataclass(frozen=True)
class EnvironmentsConfig:
    """Measure environments."""

    envs: int = 512
    """This many copies are stepped together."""
    ticks: int = 100
    """Each measurement lasts this many ticks."""
    rounds: int = 3
    """There are this many measurements, of which the best one counts."""
    seed: int = 0
    """The random actions are drawn from this seed."""
    json: bool = False
    """One JSON object is printed instead of lines."""


def measure(task: str, config: EnvironmentsConfig) -> dict[str, float]:
    """Return the steps per CPU second of one task and of its bare physics, and the overhead."""
    environment = make(task, config.envs)
    spec, world = environment.spec, environment.world  # type: ignore[attr-defined]
    rng = np.random.default_rng(config.seed)
    actions = rng.uniform(-1, 1, (config.ticks, config.envs, spec.agent_count, spec.act_dim))
    bare = mujoco.batch.Batch(world.model, config.envs, 1)
    controls = bare.bind("ctrl")
    commands = environment.action_map.to_command(actions)  # type: ignore[attr-defined]
    whole, physics = [], []
    for _ in range(config.rounds):
        environment.reset(config.seed)
        began = time.process_time()
        for action in actions:
            environment.step(action)
        whole.append(time.process_time() - began)
        bare.reset()
        began = time.process_time()
        for command in commands:
            controls[:, world.motors] = command
            bare.step(nstep=world.substeps)
        physics.append(time.process_time() - began)
    steps = config.envs * config.ticks
    return {"env_sps_per_cpu_s": round(steps / min(whole)), "physics_sps_per_cpu_s": round(steps / min(physics)),
            "overhead": round(1.0 - min(physics) / min(whole), 3),
            "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}


def main(arguments: Sequence[str]) -> int:
    """Run `python -m training.bench environments`."""
    config = tyro.cli(EnvironmentsConfig, prog="python -m training.bench environments", description=__doc__,
                      args=arguments)
    found: dict[str, Any] = {family: {"task": task, **measure(task, config)} for family, task in FAMILIES.items()}
    if config.json:
        print(json.dumps(found))
        return 0
    for family, row in found.items():
        print(f"{family:<9} {row['task']:<24} {row['env_sps_per_cpu_s']:>7,} steps per CPU second, "
              f"physics alone {row['physics_sps_per_cpu_s']:>7,}, overhead {100 * row['overhead']:.0f} %")
    return 0
