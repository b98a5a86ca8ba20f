# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Play two games of one tick that test the theory: the tasks `matrix_climb` and `matrix_product`.

climb     two agents each choose one of three; penalties surround the best pair, so both agents have to move together
product   two agents each choose a number, and the reward is the product; the slope for one agent depends on the
          other's choice, so a step of both can lower a reward that a step of either alone would raise
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from training.envs.protocol import Bool, Float32, Spec

CLIMB = np.array([[11.0, -30.0, 0.0], [-30.0, 7.0, 6.0], [0.0, 0.0, 5.0]], np.float32)
BEST = {"climb": 11.0, "product": 1.0}


class Game:
    """Play many copies of a game. Every tick is an episode."""

    def __init__(self, name: str, count: int) -> None:
        if name not in BEST:
            raise Refused("game", f"one of {sorted(BEST)}", name, "choose one of them")
        self.name, self.count = name, count
        discrete = name == "climb"
        act_dim, obs_dim = (3 if discrete else 1), 2
        self.spec = Spec(task=f"matrix_{name}", robot="", split="", layout=None, agents=("first", "second"),
                         obs_dim=obs_dim, act_dim=act_dim, obs_mask=np.ones((2, obs_dim), bool),
                         normalise_mask=np.zeros((2, obs_dim), bool), act_mask=np.ones((2, act_dim), bool), horizon=1,
                         discrete=discrete)
        self._obs = np.tile(np.eye(2, dtype=np.float32), (count, 1, 1))

    def reset(self, seed: int) -> Float32:
        """Start all copies anew and return observations (env, agent, obs_dim)."""
        return self._obs.copy()

    def step(self, actions: NDArray[Any]) -> tuple[Float32, Float32, Bool, Bool, dict[str, Any]]:
        """Apply actions (env, agent, act_dim); return obs, reward (env,), terminated (env,), truncated (env,), info."""
        first, second = actions[:, 0, 0], actions[:, 1, 0]
        reward = CLIMB[first, second] if self.spec.discrete else np.clip(first, -1, 1) * np.clip(second, -1, 1)
        rows = np.arange(self.count)
        info = {"ended": rows, "final_obs": self._obs.copy(), "episode_return": reward.astype(np.float64),
                "episode_length": np.ones(self.count)}
        done = np.ones(self.count, bool)
        return self._obs.copy(), reward.astype(np.float32), done, ~done, info

    def share(self) -> Float32:
        """Return ones (env, agent, act_dim): a game has no faults."""
        return np.ones((self.count, *self.spec.act_mask.shape), np.float32)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return nothing: no episode depends on an earlier one."""
        return {}

    def restore(self, kept: dict[str, NDArray[Any]]) -> None:
        """Continue from a snapshot, which is empty."""


def make(task: str, count: int) -> Game:
    """Return `count` copies of a game such as `matrix_climb`."""
    return Game(task.partition("_")[2], count)
