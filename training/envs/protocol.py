# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define what an environment offers to the trainer: many copies of one task, stepped together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.robot.observe import Layout

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]
GOALS = ("reached", "success")
RESULTS = ("episode_return", "episode_length", *GOALS)  # what an info may tell of ended episodes


@dataclass(frozen=True)
class Spec:
    """Describe the agents, sizes and masks of a task. A mask is False where an agent's row is padding."""

    task: str
    robot: str  # robot of mat_ros/config/robots; empty for a task without a robot
    split: str  # how the robot is split into agents; empty for a task without a robot
    layout: Layout | None  # what the agents observe; None for a task that no robot measures
    agents: tuple[str, ...]  # names of the agents, in chain order
    obs_dim: int
    act_dim: int  # continuous: widest action; discrete: number of choices
    obs_mask: Bool  # (agent, obs_dim)
    normalise_mask: Bool  # (agent, obs_dim); False where a column is an id, a flag or padding and is not normalised
    act_mask: Bool  # (agent, act_dim)
    horizon: int  # ticks until an episode is truncated
    discrete: bool = False
    information: str = "intent"  # what successors receive for a broken joint: "intent" or "truth"
    faults: str = "none"  # name of the fault plan

    @property
    def agent_count(self) -> int:
        """Return the number of agents."""
        return len(self.agents)


class Environment(Protocol):
    """Step many copies of one task.

    An episode that ends restarts in the same step. `obs` then holds the first observation of the new episode. The info
    holds `ended`, the rows whose episodes ended. For these rows it holds `final_obs` (row, agent, obs_dim), the last
    observation of the old episode, `episode_return` and `episode_length`. Where the task has a goal, it also holds
    `reached`: the task was done at least once. Where this project steps the world, it holds `success` as well: the task
    was done at the end of the episode, and had been for half a second.
    """

    spec: Spec
    count: int

    def reset(self, seed: int) -> Float32:
        """Start all copies anew and return observations (env, agent, obs_dim)."""

    def step(self, actions: NDArray[Any]) -> tuple[Float32, Float32, Bool, Bool, dict[str, Any]]:
        """Apply actions (env, agent, act_dim); return obs, reward (env,), terminated (env,), truncated (env,), info."""

    def share(self) -> Float32:
        """Return the share (env, agent, act_dim) of each next action that its joint, broken or whole, really does.

        The trainer calls this only where the spec's information is "truth".
        """

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return everything that the future of the copies depends on."""

    def restore(self, kept: dict[str, NDArray[Any]]) -> None:
        """Continue from a snapshot, bit for bit."""
