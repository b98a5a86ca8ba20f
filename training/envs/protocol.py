# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Say what the trainer asks of an environment: many copies of one task, stepped together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.robot.observe import Layout

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Spec:
    """What a task looks like from outside. Padding of unequal agents is False in the masks."""

    task: str
    robot: str  # of mat_ros/config/robots; empty where there is none
    split: str  # how the robot is split into agents; empty where there is no robot
    layout: Layout | None  # what the agents see; None where no robot measures it
    agents: tuple[str, ...]  # names, in chain order
    obs_dim: int
    act_dim: int  # continuous: widest action; discrete: number of choices
    obs_mask: Bool  # (agent, obs_dim)
    normalise_mask: Bool  # (agent, obs_dim), False where a column is an id, a flag or padding and stays as it is
    act_mask: Bool  # (agent, act_dim)
    horizon: int  # ticks until an episode is truncated
    discrete: bool = False
    information: str = "intent"  # what the chain is told of a broken joint: "intent" or "truth"
    faults: str = "none"  # name of the fault plan

    @property
    def agent_count(self) -> int:
        """Count the agents."""
        return len(self.agents)


class Environment(Protocol):
    """Many copies of one task.

    An episode that ends restarts in the same step: `obs` is then the new episode's first one, and the info holds
    `final_obs` (env, agent, obs_dim), the last one of those that ended. The info also holds
    `ended`, the rows whose episodes ended, and for each of them `episode_return` and `episode_length`
    and, where the task has one, `success`.
    """

    spec: Spec
    count: int

    def reset(self, seed: int) -> Float32:
        """Start all copies anew; give observations (env, agent, obs_dim)."""

    def step(self, actions: NDArray[Any]) -> tuple[Float32, Float32, Bool, Bool, dict[str, Any]]:
        """Apply actions (env, agent, act_dim); give obs, reward (env,), terminated (env,), truncated (env,), info."""

    def share(self) -> Float32:
        """Give the share (env, agent, act_dim) of each coming action that its broken or whole joint really does.

        Asked for only where the spec's information is "truth".
        """

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Give all that the future depends on."""

    def restore(self, kept: dict[str, NDArray[Any]]) -> None:
        """Continue from a snapshot, bit for bit."""
