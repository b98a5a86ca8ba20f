# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Choose the script that demonstrates a task, where the task has one."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.worlds.dexhands import DexHands
from training.envs.dexhands.pull import WAYS, Pull
from training.envs.dexhands.task import Task
from training.envs.dexhands.throw import Throw


class Guide(Protocol):
    """Command the joints by a script, for any number of simulations at any tick."""

    def command(self, world: DexHands) -> NDArray[np.float64]:
        """Return the script's commands (env, joint) for the present tick."""
        ...


def guide_of(task: Task) -> Guide:
    """Return the script of a task."""
    if task.name in WAYS:
        return Pull(task)
    if task.name == "over":
        return Throw()
    raise Refused(f"script of {task.name}", f"a task that has one: {sorted([*WAYS, 'over'])}", "none",
                  "train without a script")
