# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Hold the experience between two updates, and estimate the advantage of each action."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.envs.protocol import Spec
from training.run.distributed import Team

Float32 = NDArray[np.float32]


@dataclass
class Rollout:
    """Hold one block of experience: T ticks of N copies with n agents."""

    obs: Float32  # (T, N, n, obs_dim), normalised, as the policy received them
    actions: NDArray[Any]  # (T, N, n, act_dim), the decisions of the policy
    told: NDArray[Any]  # (T, N, n, act_dim), the input of the successors: the action, or action * share
    log_probs: Float32  # (T, N, n, action_terms)
    values: Float32  # (T + 1, N, n), in the normalised space of the value head
    rewards: Float32  # (T, N, n); an episode's truncated future is added as its value
    ended: NDArray[np.bool_]  # (T, N), True where the episode ended with this tick
    returns: Float32 = field(default_factory=lambda: np.empty(0, np.float32))  # (T, N, n)
    advantages: Float32 = field(default_factory=lambda: np.empty(0, np.float32))  # (T, N, n), normalised

    @classmethod
    def empty(cls, spec: Spec, ticks: int, count: int) -> Rollout:
        """Return a block of zeros for a task."""
        n = spec.agent_count
        action_type, terms = (np.int64, 1) if spec.discrete else (np.float32, spec.act_dim)
        shape = (ticks, count, n)
        return cls(
            obs=np.zeros((*shape, spec.obs_dim), np.float32),
            actions=np.zeros((*shape, terms), action_type),
            told=np.zeros((*shape, terms), action_type),
            log_probs=np.zeros((*shape, terms), np.float32),
            values=np.zeros((ticks + 1, count, n), np.float32),
            rewards=np.zeros(shape, np.float32),
            ended=np.zeros((ticks, count), bool),
        )

    def joined(self, team: Team) -> Rollout:
        """Return the block of all ranks, with the copies in the ranks' order."""
        if team.size == 1:
            return self
        names = ("obs", "actions", "told", "log_probs", "values", "rewards", "ended")
        return Rollout(**{name: team.gather(getattr(self, name), axis=1) for name in names})

    @property
    def samples(self) -> int:
        """Return the number of joint samples."""
        return int(self.ended.size)

    def flat(self, name: str) -> NDArray[Any]:
        """Return a block with time and copies joined: (T * N, n, ...)."""
        block = getattr(self, name)[: len(self.ended)]
        return block.reshape(self.samples, *block.shape[2:])


def generalised_advantages(rewards: Float32, values: Float32, ended: NDArray[np.bool_], gamma: float,
                           lam: float) -> Float32:
    """Estimate advantages (T, N, n) from rewards (T, N, n), values (T + 1, N, n) in units of reward, and ends (T, N).

    An end cuts the sum. The last reward of a truncated episode already includes the discounted value of the state in
    which the episode was truncated.
    """
    going = (~ended)[..., None].astype(np.float32)  # (T, N, 1)
    error = rewards + gamma * going * values[1:] - values[:-1]
    advantages, ahead = np.empty_like(rewards), np.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        ahead = error[t] + gamma * lam * going[t] * ahead
        advantages[t] = ahead
    return advantages


def standardise(advantages: Float32) -> Float32:
    """Return advantages with mean 0 and deviation 1 over the whole block."""
    exact = advantages.astype(np.float64)
    standard: Float32 = ((exact - exact.mean()) / (exact.std() + 1e-5)).astype(np.float32)
    return standard
