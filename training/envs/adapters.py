# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Show our environments to other libraries, as a PettingZoo ParallelEnv or as a Gymnasium VectorEnv."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from training.envs import make
from training.envs.protocol import Environment


def _box(size: int, bound: float, dtype: Any = np.float32) -> gymnasium.spaces.Box:
    return gymnasium.spaces.Box(-bound, bound, (size,), dtype)


class ParallelTask(ParallelEnv[str, NDArray[np.float32], NDArray[np.float32]]):
    """Step one copy of a task, agent by agent. Agents with fewer joints have shorter actions and observations."""

    metadata = {"name": "mat_ros", "render_modes": []}  # noqa: RUF012, PettingZoo asks for a class attribute
    render_mode = None

    def __init__(self, task: str, **options: Any) -> None:
        self.environment: Environment = make(task, 1, **options)
        spec = self.environment.spec
        if spec.discrete:
            raise ValueError(f"expected a task with continuous actions, got {task}; use it through training.envs")
        self.possible_agents = list(spec.agents)
        self.agents: list[str] = []
        self._act, self._obs = spec.act_mask, spec.obs_mask
        self._spaces = {agent: (_box(int(self._obs[i].sum()), np.inf), _box(int(self._act[i].sum()), 1.0))
                        for i, agent in enumerate(spec.agents)}
        self._seed = 0

    def observation_space(self, agent: str) -> gymnasium.spaces.Box:
        """Return the space of an agent's observations."""
        return self._spaces[agent][0]

    def action_space(self, agent: str) -> gymnasium.spaces.Box:
        """Return the space of an agent's actions."""
        return self._spaces[agent][1]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None
              ) -> tuple[dict[str, NDArray[np.float32]], dict[str, dict[str, Any]]]:
        """Start an episode. A reset without a seed starts another episode than the last reset."""
        self._seed = self._seed + 1 if seed is None else seed
        self.agents = list(self.possible_agents)
        return self._split(self.environment.reset(self._seed)[0]), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, NDArray[np.float32]]) -> tuple[Any, ...]:
        """Apply all agents' actions and return observations, rewards, terminations, truncations and infos by agent."""
        joint = np.zeros((1, *self._act.shape), np.float32)
        for i, agent in enumerate(self.possible_agents):
            joint[0, i, self._act[i]] = actions[agent]
        obs, reward, terminated, truncated, info = self.environment.step(joint)
        over = bool(terminated[0] or truncated[0])
        seen = self._split(info["final_obs"][0] if over else obs[0])
        each = [dict.fromkeys(self.agents, value) for value in
                (float(reward[0]), bool(terminated[0]), bool(truncated[0]))]
        infos: dict[str, dict[str, Any]] = {agent: {} for agent in self.agents}
        if over:
            self.agents = []
        return (seen, *each, infos)

    def _split(self, obs: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        return {agent: obs[i, self._obs[i]] for i, agent in enumerate(self.possible_agents)}


class VectorTask(VectorEnv[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]):
    """Step many copies of a task with one joint observation and one joint action, as single-agent libraries expect."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}  # noqa: RUF012, as Gymnasium asks

    def __init__(self, task: str, num_envs: int, **options: Any) -> None:
        self.environment: Environment = make(task, num_envs, **options)
        spec = self.environment.spec
        self.num_envs, self._act, self._obs = num_envs, spec.act_mask, spec.obs_mask
        self.single_observation_space = _box(int(self._obs.sum()), np.inf)
        self.single_action_space = _box(int(self._act.sum()), 1.0)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._seed = 0

    def reset(self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
              ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start all copies anew. A reset without a seed starts other episodes than the last reset."""
        first = seed[0] if isinstance(seed, list) else seed
        self._seed = self._seed + 1 if first is None else first
        return self.environment.reset(self._seed)[:, self._obs], {}

    def step(self, actions: NDArray[np.float32]) -> tuple[Any, ...]:
        """Apply joint actions (env, joint) and return observations, rewards, terminations, truncations and the info."""
        split = np.zeros((self.num_envs, *self._act.shape), np.float32)
        split[:, self._act] = actions
        obs, reward, terminated, truncated, info = self.environment.step(split)
        seen: dict[str, Any] = {}
        if len(info["ended"]):
            final = np.empty(self.num_envs, object)
            for row, last in zip(info["ended"], info["final_obs"], strict=True):
                final[row] = last[self._obs]
            seen = {"final_obs": final, "_final_obs": terminated | truncated}
        return obs[:, self._obs], reward.astype(np.float64), terminated, truncated, seen
