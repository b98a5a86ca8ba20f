# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Show the actions of a script to a policy, for tasks whose first success chance does not bring about.

A teacher (`teacher.py`) is a script too. Half of the copies follow the script. Noise nudges them, so that the policy
observes how the script recovers. The other half follow the policy, so that the policy learns the script's action in the
states that its own mistakes lead to. In all copies the policy imitates the script's action, and the value head learns
the copies' returns. When the imitation ends, the policy learns without the script.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from training.envs.protocol import Environment, Float32
from training.loop.teacher import Teacher
from training.run.learner import ImitatingLearner, Learner
from training.run.rollout import Rollout

NUDGE = 0.2  # largest deviation of the noise that is added to the script's actions, which lie in [-1, 1]


class Imitation:
    """Hold the script's actions of one rollout, and which copies follow the script."""

    def __init__(self, environment: Environment, learner: Learner, ticks: int, teacher: str = "") -> None:
        spec = environment.spec
        guide = Teacher(teacher, environment) if teacher else environment
        if not hasattr(guide, "shown") or not isinstance(learner, ImitatingLearner):
            raise Refused("setting imitate", "the algorithm mat and a task with a script, as door_close_outward_hand",
                          spec.task, "leave imitate at 0")
        self._learner, self._show = learner, guide.shown
        self.shown = np.zeros((ticks, environment.count, *spec.act_mask.shape), np.float32)
        copies = np.arange(environment.count)[:, None, None]
        self._follows = copies % 2 == 0
        # The noise grows from none in the first copy, since some grips fail under much noise.
        self._nudge = NUDGE * copies / environment.count * spec.act_mask

    def act(self, t: int, own: NDArray[Any], noise: torch.Generator) -> Float32:
        """Return the actions (env, agent, act_dim) of all copies at tick t. The policy's own are `own`."""
        shown = self.shown[t] = self._show()
        nudged = shown + self._nudge * torch.randn(shown.shape, generator=noise).numpy()
        return np.where(self._follows, nudged, own).astype(np.float32)

    def learn(self, rollout: Rollout, order: torch.Generator) -> dict[str, float]:
        """Train the learner on the script's actions and return scores for the log."""
        return self._learner.imitate(rollout, self.shown, order)
