# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Show a policy a task's script before it learns by itself, for tasks whose first success chance does not bring about.

Half of the copies follow the script, nudged so that the policy sees how the script recovers; the other half act as the
policy does, so that it is told what the script would do where its own mistakes lead. What is imitated is the script's
action in all of them, and the value head learns what the copies earn. After that the script is gone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from training.envs.protocol import Environment, Float32
from training.run.learner import ImitatingLearner, Learner
from training.run.rollout import Rollout

NUDGE = 0.2  # largest spread of what is added to the script's actions, which lie in [-1, 1]


class Imitation:
    """What a script showed during one rollout, and who followed it."""

    def __init__(self, environment: Environment, learner: Learner, ticks: int) -> None:
        spec = environment.spec
        if not hasattr(environment, "shown") or not isinstance(learner, ImitatingLearner):
            raise Refused("setting imitate", "the algorithm mat on a task with a script, as door_close_outward_hand",
                          spec.task, "leave it at 0")
        self._learner, self._show = learner, environment.shown
        self.shown = np.zeros((ticks, environment.count, *spec.act_mask.shape), np.float32)
        copies = np.arange(environment.count)[:, None, None]
        self._follows = copies % 2 == 0
        # From none to the largest, since some holds do not survive much of it.
        self._nudge = NUDGE * copies / environment.count * spec.act_mask

    def act(self, t: int, own: NDArray[Any], noise: torch.Generator) -> Float32:
        """Give what the copies do at tick t, (env, agent, act_dim), where the policy would do `own`."""
        shown = self.shown[t] = self._show()
        nudged = shown + self._nudge * torch.randn(shown.shape, generator=noise).numpy()
        return np.where(self._follows, nudged, own).astype(np.float32)

    def learn(self, rollout: Rollout, order: torch.Generator) -> dict[str, float]:
        """Learn from what was shown."""
        return self._learner.imitate(rollout, self.shown, order)
