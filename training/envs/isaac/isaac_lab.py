# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run a multi-agent task of Isaac Lab (`DirectMARLEnv`) as an environment of ours.

Isaac Lab restarts ended copies within the step and returns the first observation of the new episode, as we do. It does
not return the last observation of the old episode. `final_obs` therefore holds the observation of the tick before, and
the critic values a time limit one tick early. Rows of agents with fewer observations or actions are padded. The reward
of a team is the mean of its agents' rewards.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mat_ros.core.errors import Missing
from training.envs.protocol import Bool, Float32, Spec


class IsaacLabTeam:
    """Step many copies of a task; see `training.envs.protocol.Environment`."""

    def __init__(self, environment: Any, name: str) -> None:
        """Wrap any environment that keeps the contract of `DirectMARLEnv`."""
        self.environment = environment
        self.count = int(environment.num_envs)
        self._agents = tuple(environment.possible_agents)
        self._obs_sizes = [int(environment.observation_spaces[agent].shape[0]) for agent in self._agents]
        self._act_sizes = [int(environment.action_spaces[agent].shape[0]) for agent in self._agents]
        seen = np.arange(max(self._obs_sizes)) < np.array(self._obs_sizes)[:, None]
        self.spec = Spec(
            task=name, robot="", split="", layout=None, agents=self._agents, obs_dim=max(self._obs_sizes),
            act_dim=max(self._act_sizes), obs_mask=seen, normalise_mask=seen,
            act_mask=np.arange(max(self._act_sizes)) < np.array(self._act_sizes)[:, None],
            horizon=int(environment.max_episode_length))
        self._seen = np.zeros((self.count, len(self._agents), self.spec.obs_dim), np.float32)
        self._return, self._length = np.zeros(self.count), np.zeros(self.count, dtype=np.int64)

    def reset(self, seed: int) -> Float32:
        """Start all copies anew and return observations (env, agent, obs_dim)."""
        obs, _ = self.environment.reset(seed=seed)
        self._return[:], self._length[:] = 0.0, 0
        return self._observe(obs)

    def _observe(self, obs: dict[str, torch.Tensor]) -> Float32:
        for k, agent in enumerate(self._agents):
            self._seen[:, k, :self._obs_sizes[k]] = obs[agent].detach().cpu().numpy()
        return self._seen.copy()

    @torch.no_grad()
    def step(self, actions: NDArray[Any]) -> tuple[Float32, Float32, Bool, Bool, dict[str, Any]]:
        """Apply actions (env, agent, act_dim); return obs, reward (env,), terminated (env,), truncated (env,), info."""
        before = self._seen.copy()
        given = torch.as_tensor(np.clip(actions, -1.0, 1.0), dtype=torch.float32, device=self.environment.device)
        obs, rewards, failed, cut, _ = self.environment.step(
            {agent: given[:, k, :self._act_sizes[k]] for k, agent in enumerate(self._agents)})
        reward = self._stack(rewards).mean(axis=0).astype(np.float32)
        # A copy restarts when all of its agents have failed, or when all of them have reached the time limit.
        terminated: Bool = np.all(self._stack(failed), axis=0)
        truncated: Bool = np.all(self._stack(cut), axis=0) & ~terminated
        self._return += reward
        self._length += 1
        ended = np.flatnonzero(terminated | truncated)
        info: dict[str, Any] = {"ended": ended}
        if ended.size:
            info |= {"final_obs": before[ended], "episode_return": self._return[ended].copy(),
                     "episode_length": self._length[ended].copy()}
            self._return[ended], self._length[ended] = 0.0, 0
        return self._observe(obs), reward, terminated, truncated, info

    def _stack(self, by_agent: dict[str, torch.Tensor]) -> NDArray[Any]:
        """Return the agents' values as one array (agent, env)."""
        return np.stack([by_agent[agent].detach().cpu().numpy() for agent in self._agents])

    def share(self) -> Float32:
        """Return ones (env, agent, act_dim): this adapter has no faults."""
        return np.ones((self.count, *self.spec.act_mask.shape), np.float32)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return nothing: Isaac Lab cannot be continued bit for bit."""
        return {}

    def restore(self, kept: dict[str, NDArray[Any]]) -> None:
        """Ignore the snapshot: the next reset begins new episodes."""


def make(task: str, count: int) -> IsaacLabTeam:
    """Make copies of a task such as `isaaclab_Isaac-Shadow-Hand-Over-Direct-v0`; the simulator starts headless."""
    if any(importlib.util.find_spec(package) is None for package in ("isaacsim", "isaaclab", "isaaclab_tasks")):
        raise Missing("Isaac Lab", "install Isaac Sim and Isaac Lab into this Python by their own instructions")
    importlib.import_module("isaaclab.app").AppLauncher(headless=True)  # every other import must follow this launch
    importlib.import_module("isaaclab_tasks")  # this import registers the tasks
    name = task.removeprefix("isaaclab_")
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    config = importlib.import_module("isaaclab_tasks.utils").parse_env_cfg(name, device=device, num_envs=count)
    environment = importlib.import_module("gymnasium").make(name, cfg=config)
    return IsaacLabTeam(environment.unwrapped, task)
