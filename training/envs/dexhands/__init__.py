# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Find the tasks of two dexterous hands, after Bi-DexHands; `python -m training.envs.dexhands` prints a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mat_ros.core.errors import Refused
from training.envs.dexhands.doors import DoorCloseInward, DoorCloseOutward, DoorOpenInward, DoorOpenOutward
from training.envs.dexhands.environment import HandsEnvironment
from training.envs.dexhands.lift import LiftUnderarm
from training.envs.dexhands.task import Task
from training.envs.dexhands.toss import CatchOver2Underarm, CatchUnderarm, Over

TASKS: Mapping[str, type[Task]] = {task.name: task for task in (
    DoorOpenOutward, DoorOpenInward, DoorCloseInward, DoorCloseOutward, Over, CatchUnderarm, CatchOver2Underarm,
    LiftUnderarm)}
SPLITS = ("hand", "finger", "joint")


def make(name: str, count: int, **options: Any) -> HandsEnvironment:
    """Return copies of a task such as `door_open_outward_finger`: the task, then the split of the hands into agents."""
    task, _, split = name.rpartition("_")
    if task not in TASKS or split not in SPLITS:
        raise Refused("task", f"one of {sorted(TASKS)} and then one of {SPLITS}, as in over_hand", name,
                      "choose a known task and split")
    return HandsEnvironment(TASKS[task](), split, count, **options)
