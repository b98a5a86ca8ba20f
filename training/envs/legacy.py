# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Restore three quirks of the first public copies of Multi-Agent MuJoCo, so that old curves can be compared.

Actions go to the actuators in agent order, whichever joint the agent observes. Each observation is standardised over
its own features. The time limit counts as a termination.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mat_ros.worlds.world import Float
from training.envs.protocol import Bool, Float32
from training.envs.robot import RobotEnvironment


class LegacyEnvironment(RobotEnvironment):
    """Step many copies of a task with the quirks."""

    normalises = False

    def _command(self, actions: NDArray[Any]) -> Float:
        in_agent_order = actions[:, self.spec.act_mask].astype(np.float64)  # (env, joint)
        command: Float = np.clip(in_agent_order, -1.0, 1.0) * self.action_map.scale
        return command

    def _observed(self, signals: Float) -> Float32:
        obs = super()._observed(signals)
        standard: Float32 = (obs - obs.mean(axis=-1, keepdims=True)) / obs.std(axis=-1, keepdims=True)
        return standard

    def _ends(self, over: Bool, at_limit: Bool) -> tuple[Bool, Bool]:
        return over | at_limit, np.zeros_like(at_limit)
