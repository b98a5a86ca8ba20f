# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Find an environment by the name of its task. The module of an environment is imported when it is first made."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from mat_ros.core.errors import Refused
from training.envs.protocol import Environment

# family -> (module, factory); a factory takes the task's name, the number of copies, and the family's options
FAMILIES: Mapping[str, tuple[str, str]] = {
    "halfcheetah": ("training.envs.mamujoco", "make"),
    "ant": ("training.envs.mamujoco", "make"),
    "walker2d": ("training.envs.mamujoco", "make"),
    "hopper": ("training.envs.mamujoco", "make"),
    "humanoid": ("training.envs.mamujoco", "make"),
    "catch": ("training.envs.dexhands", "make"),
    "door": ("training.envs.dexhands", "make"),
    "isaacgym": ("training.envs.isaac.isaac_gym", "make"),
    "isaaclab": ("training.envs.isaac.isaac_lab", "make"),
    "lift": ("training.envs.dexhands", "make"),
    "over": ("training.envs.dexhands", "make"),
    "matrix": ("training.envs.games", "make"),
}


def make(task: str, count: int, **options: Any) -> Environment:
    """Return `count` copies of a task such as `halfcheetah_6x1`."""
    family = task.split("_")[0]
    if family not in FAMILIES:
        raise Refused("task", f"a name that begins with one of {sorted(FAMILIES)}", task, "choose a known task")
    module, factory = FAMILIES[family]
    build: Callable[..., Environment] = getattr(importlib.import_module(module), factory)
    try:
        return build(task, count, **options)
    except TypeError as error:
        stranger = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        if stranger is None or stranger[1] not in options:
            raise
        raise Refused(f"setting {stranger[1]}", f"the default, since {family} has no such setting",
                      options[stranger[1]], "leave it out") from error
