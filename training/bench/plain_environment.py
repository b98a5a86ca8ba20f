# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run one environment of the yardstick in a process. The process imports no torch, so forty of them start quickly."""

from __future__ import annotations

from multiprocessing.connection import Connection
from typing import Any

import mujoco
import numpy as np
from gymnasium.envs.mujoco.half_cheetah_v5 import HalfCheetahEnv
from numpy.typing import NDArray

AGENTS, OBS, HORIZON = 6, 13, 1000
JOINT_OF_AGENT = (5, 4, 3, 8, 7, 6)  # place of each agent's joint in qpos and qvel


class PlainCheetah:
    """Step one environment with the quirks of the first public copies: motors in agent order, standardised samples."""

    def __init__(self, seed: int) -> None:
        mujoco.set_mju_user_warning(lambda _: None)  # Gymnasium's model uses an attribute that MuJoCo has deprecated
        self.env, self.seed, self.ticks = HalfCheetahEnv(), seed, 0
        mujoco.set_mju_user_warning(None)

    def reset(self) -> list[NDArray[np.float64]]:
        """Start an episode and return each agent's observation."""
        self.ticks = 0
        self.env.reset(seed=self.seed)
        self.seed += 1000
        return self.observe()

    def observe(self) -> list[NDArray[np.float64]]:
        """Return each agent's joint, the root and its id, standardised over the agent's own features."""
        q, v = self.env.data.qpos, self.env.data.qvel
        found = []
        for agent in range(AGENTS):
            joint = JOINT_OF_AGENT[agent]
            own = np.concatenate([[q[joint]], [v[joint]], [q[2], q[1], v[0], v[2], v[1]], np.eye(AGENTS)[agent]])
            found.append((own - np.mean(own)) / np.std(own))
        return found

    def step(self, actions: NDArray[np.float32]) -> tuple[list[NDArray[np.float64]], list[list[float]], list[bool],
                                                         dict[str, Any]]:
        """Apply the actions in agent order and return the results. Restart at the time limit."""
        _, reward, _, _, info = self.env.step(np.concatenate(list(actions)).astype(np.float64))
        self.ticks += 1
        done = self.ticks >= HORIZON
        obs = self.reset() if done else self.observe()
        return obs, [[float(reward)]] * AGENTS, [done] * AGENTS, info


def serve(pipe: Connection, seed: int) -> None:
    """Answer the trainer until it sends None or closes the pipe."""
    cheetah = PlainCheetah(seed)
    while True:
        try:
            message = pipe.recv()
        except EOFError:
            return
        if message is None:
            return
        pipe.send(cheetah.reset() if isinstance(message, str) else cheetah.step(message))
