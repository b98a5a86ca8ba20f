# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Two games of one tick that show what the theory says: tasks `matrix_climb` and `matrix_product`.

climb     two agents choose one of three; the best pair is surrounded by penalties, so both have to move together
product   two agents choose a number; the reward is their product, so each one's slope depends on the other's choice,
          and stepping both at once can lower what stepping either alone would raise
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
    """Many copies of a game; every tick is an episode."""

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
        """Start all copies anew; give observations (env, agent, obs_dim)."""
        return self._obs.copy()

    def step(self, actions: NDArray[Any]) -> tuple[Float32, Float32, Bool, Bool, dict[str, Any]]:
        """Apply actions (env, agent, act_dim); give obs, reward (env,), terminated (env,), truncated (env,), info."""
        first, second = actions[:, 0, 0], actions[:, 1, 0]
        reward = CLIMB[first, second] if self.spec.discrete else np.clip(first, -1, 1) * np.clip(second, -1, 1)
        rows = np.arange(self.count)
        info = {"ended": rows, "final_obs": self._obs.copy(), "episode_return": reward.astype(np.float64),
                "episode_length": np.ones(self.count)}
        done = np.ones(self.count, bool)
        return self._obs.copy(), reward.astype(np.float32), done, ~done, info

    def share(self) -> Float32:
        """Return ones (env, agent, act_dim): nothing breaks here."""
        return np.ones((self.count, *self.spec.act_mask.shape), np.float32)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Give all that the future depends on: nothing."""
        return {}

    def restore(self, kept: dict[str, NDArray[Any]]) -> None:
        """Continue from a snapshot."""


def make(task: str, count: int) -> Game:
    """Make copies of a game."""
    return Game(task.partition("_")[2], count)
