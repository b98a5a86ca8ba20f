# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run Multi-Agent MuJoCo tasks: one robot, split into agents that share a reward.

`legacy` restores three habits of the first public copies so that old curves can be compared with: actions go to the
actuators in agent order, whatever joint the agent sees; each observation is standardised over its own features; and the
time limit counts as a termination.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mat_ros
from mat_ros.core.errors import Refused
from mat_ros.core.observe import Layout, Observer, Part, View
from mat_ros.core.robot import Robot
from mat_ros.worlds.mamujoco import Locomotion
from training.envs.protocol import Bool, Float32, Spec

HORIZON = 1000  # ticks
FULL = -1  # hops: see the whole robot


def load_robot(name: str) -> Robot:
    """Load a shipped robot description."""
    return Robot.load(Path(mat_ros.__file__).parent / "config" / "robots" / f"{name}.yaml")


def layout_of(world: Locomotion, robot: Robot, split: str, hops: int) -> Layout:
    """Let each agent see its own joints, those up to `hops` away along the skeleton, the root, and its id."""
    adjacent = world.neighbours()
    root = tuple(Part(term.name) for term in world.terms if term.name.startswith("root"))
    views = []
    for agent in robot.agents(split):
        seen = list(agent.joints)
        for _ in range(max(hops, 0)):
            seen += sorted({b for a in seen for b in adjacent[a]} - set(seen))
        if hops == FULL:
            seen += [joint for joint in world.joint_names if joint not in seen]
        joints = tuple(Part(term, (joint,)) for joint in seen for term in ("joint_position", "joint_velocity"))
        views.append(View(agent.name, joints + root))
    return Layout(world.terms, tuple(views), agent_id=True)


class MultiAgentMujoco:
    """Many copies of a running robot; see `training.envs.protocol.Environment`."""

    def __init__(self, robot_name: str, split: str, count: int, hops: int = 0, legacy: bool = False) -> None:
        self.robot, self.count, self.legacy = load_robot(robot_name), count, legacy
        self.world = Locomotion(robot_name, count)
        self.observer = Observer(layout_of(self.world, self.robot, split, hops))
        self.action_map = self.robot.action_map(split)
        if self.action_map.joint_names != self.world.joint_names:
            raise Refused(f"robot {robot_name}", f"joints {self.world.joint_names}", self.action_map.joint_names,
                          "order them as the model's actuators")
        agents = tuple(agent.name for agent in self.robot.agents(split))
        measured = self.observer.measured
        visible = measured.copy()
        visible[:, -len(agents):] = True  # the one-hot id
        self.spec = Spec(task=f"{robot_name}_{split}", robot=robot_name, split=split, layout=self.observer.layout,
                         agents=agents, obs_dim=self.observer.obs_dim, act_dim=self.action_map.act_dim,
                         obs_mask=visible, normalise_mask=measured & (not legacy), act_mask=self.action_map.mask,
                         horizon=HORIZON)
        self._return = np.zeros(count)

    def reset(self, seed: int) -> Float32:
        """Start all copies anew; give observations (env, agent, obs_dim)."""
        self._return[:] = 0.0
        self.world.reset(seed=seed)
        return self._observe()

    def step(self, actions: NDArray[Any]) -> tuple[Float32, Float32, Bool, Bool, dict[str, Any]]:
        """Apply actions (env, agent, act_dim); give obs, reward (env,), terminated (env,), truncated (env,), info."""
        task = self.world.task
        self.world.step(self._command(actions))
        speed, upright = self.world.speed(), self.world.upright()
        # As in the published tasks, the cost is that of the action before the motors' limits.
        effort = np.square(np.where(self.spec.act_mask, actions, 0.0), dtype=np.float64).sum(axis=(1, 2))
        reward = task.forward * speed - task.control_cost * effort + task.alive * upright
        self._return += reward
        terminated = ~upright
        at_limit = self.world.ticks >= HORIZON
        truncated = at_limit & ~terminated
        if self.legacy:
            terminated, truncated = terminated | at_limit, np.zeros_like(truncated)
        obs, info = self._observe(), {"ended": np.flatnonzero(terminated | truncated)}
        if info["ended"].size:
            obs, info = self._restart(obs, info["ended"])
        return obs, reward.astype(np.float32), terminated, truncated, info

    def _command(self, actions: NDArray[Any]) -> NDArray[np.float64]:
        if self.legacy:
            in_agent_order = actions[:, self.spec.act_mask].astype(np.float64)  # (env, joint)
            return np.clip(in_agent_order, -1.0, 1.0) * self.action_map.scale
        return self.action_map.to_command(actions)

    def _restart(self, final: Float32, ended: NDArray[np.intp]) -> tuple[Float32, dict[str, Any]]:
        info = {"ended": ended, "final_obs": final[ended].copy(), "episode_return": self._return[ended].copy(),
                "episode_length": self.world.ticks[ended].copy()}
        self._return[ended] = 0.0
        self.world.reset(ids=ended)
        return self._observe(), info

    def _observe(self) -> Float32:
        obs = self.observer.observe(self.world.measure())
        if self.legacy:
            obs = (obs - obs.mean(axis=-1, keepdims=True)) / obs.std(axis=-1, keepdims=True)
        return obs

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Give all that the future depends on."""
        return {**self.world.state(), "returns": self._return.copy()}

    def restore(self, kept: dict[str, NDArray[Any]]) -> None:
        """Continue from a snapshot, bit for bit."""
        self._return[:] = kept["returns"]
        self.world.set_state(kept)

    def observe(self) -> Float32:
        """Give the observations of this moment."""
        return self._observe()


def make(task: str, count: int, **options: Any) -> MultiAgentMujoco:
    """Make copies of a task such as `halfcheetah_6x1`."""
    robot, _, split = task.partition("_")
    return MultiAgentMujoco(robot, split, count, **options)
