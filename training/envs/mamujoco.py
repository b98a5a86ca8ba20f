# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Step Multi-Agent MuJoCo tasks: one robot, split into agents that share a reward.

`legacy` restores three quirks of the first public copies, so that old curves can be compared. Actions go to the
actuators in agent order, whichever joint the agent observes. Each observation is standardised over its own features.
The time limit counts as a termination.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mat_ros.core import shipped
from mat_ros.core.errors import Refused
from mat_ros.core.faults.targets import find_plan
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.observe import Layout, Observer, Part, Term, View
from mat_ros.worlds.faults import FaultyWorld, fault_targets
from mat_ros.worlds.mamujoco import Locomotion
from mat_ros.worlds.score import Running
from training.envs.breakage import EpisodeFaults
from training.envs.protocol import Bool, Float32, Spec

FULL = -1  # number of hops that stands for the whole robot
BROKEN = "joint_broken"  # the term that a fault flag reads: 1 while the joint is broken


def load_robot(name: str) -> RobotDescription:
    """Return a shipped robot description."""
    return RobotDescription.load(shipped.config_file("robots", name))


def layout_of(world: Locomotion, robot: RobotDescription, split: str, hops: int, fault_flag: bool = False) -> Layout:
    """Return what each agent observes: its own joints, those up to `hops` away along the skeleton, the root, its id.

    With `fault_flag` each agent also observes which of its own joints are broken.
    """
    broken = Term(BROKEN, "1", world.joint_names)
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
        flags = (Part(BROKEN, agent.joints),) if fault_flag else ()
        views.append(View(agent.name, joints + root + flags))
    return Layout((*world.terms, broken) if fault_flag else world.terms, tuple(views), agent_id=True)


class MultiAgentMujoco:
    """Step many copies of a running robot; see `training.envs.protocol.Environment`."""

    def __init__(self, robot_name: str, split: str, count: int, *, hops: int = 0, legacy: bool = False,
                 faults: str = "", information: Literal["intent", "truth"] = "intent", fault_flag: bool = False,
                 threads: int = 1, first: int = 0) -> None:
        self.robot, self.count, self.legacy = load_robot(robot_name), count, legacy
        self.world = Locomotion(robot_name, count, threads, first)
        self._score = Running(self.world)
        plan = find_plan(faults, self.world.control_period_ns, fault_targets(self.world))
        self._faults = EpisodeFaults(plan, self.world.joint_names, count)
        self._faulty = FaultyWorld(self.world)
        self._flagged, self._split = fault_flag, split
        self._joint_agent, self._joint_column = self._joint_places()
        self.observer = Observer(layout_of(self.world, self.robot, split, hops, fault_flag))
        self.action_map = self.robot.action_map(split)
        if self.action_map.joint_names != self.world.joint_names:
            raise Refused(f"robot {robot_name}", f"joints {self.world.joint_names}", self.action_map.joint_names,
                          "order them as the model's actuators")
        agents = tuple(agent.name for agent in self.robot.agents(split))
        measured = self.observer.measured
        flags = self._flag_columns()
        visible = measured.copy()
        visible[:, -len(agents):] = True  # the one-hot id
        normalised = measured & ~flags & (not legacy)
        self.spec = Spec(task=f"{robot_name}_{split}", robot=robot_name, split=split, layout=self.observer.layout,
                         agents=agents, obs_dim=self.observer.obs_dim, act_dim=self.action_map.act_dim,
                         obs_mask=visible, normalise_mask=normalised, act_mask=self.action_map.mask,
                         horizon=self._score.horizon, information=information, faults=plan.name)
        self._return = np.zeros(count)
        self._seen = np.zeros((count, self.observer.layout.signal_count))

    def reset(self, seed: int) -> Float32:
        """Start all copies anew and return observations (env, agent, obs_dim)."""
        self._return[:] = 0.0
        self._faulty.reset(seed=seed, schedules=self._faults.restart())
        return self._observe()

    def step(self, actions: NDArray[Any]) -> tuple[Float32, Float32, Bool, Bool, dict[str, Any]]:
        """Apply actions (env, agent, act_dim); return obs, reward (env,), terminated (env,), truncated (env,), info."""
        return self.drive(self._command(actions), actions)

    def drive(self, command: NDArray[np.float64], actions: NDArray[Any]
              ) -> tuple[Float32, Float32, Bool, Bool, dict[str, Any]]:
        """Take a step by commands (env, joint); the reward charges for actions, and a fall ends an episode."""
        self._faulty.step(command)
        worth = self._score.judge(np.where(self.spec.act_mask, actions, 0.0))
        self._return += worth.reward
        terminated = worth.over
        at_limit = self.world.ticks >= self._score.horizon
        truncated = at_limit & ~terminated
        if self.legacy:
            terminated, truncated = terminated | at_limit, np.zeros_like(truncated)
        obs, info = self._observe(), {"ended": np.flatnonzero(terminated | truncated)}
        if info["ended"].size:
            obs, info = self._restart(obs, info["ended"])
        return obs, worth.reward.astype(np.float32), terminated, truncated, info

    def _command(self, actions: NDArray[Any]) -> NDArray[np.float64]:
        if self.legacy:
            in_agent_order = actions[:, self.spec.act_mask].astype(np.float64)  # (env, joint)
            command: NDArray[np.float64] = np.clip(in_agent_order, -1.0, 1.0) * self.action_map.scale
            return command
        return self.action_map.to_command(actions)

    def _restart(self, final: Float32, ended: NDArray[np.intp]) -> tuple[Float32, dict[str, Any]]:
        info = {"ended": ended, "final_obs": final[ended].copy(), "episode_return": self._return[ended].copy(),
                "episode_length": self.world.ticks[ended].copy()}
        self._return[ended] = 0.0
        self._faulty.reset(ids=ended, schedules=self._faults.next(ended))
        return self._observe(), info

    def _observe(self) -> Float32:
        signals = self._faulty.measure()
        if self._flagged:
            signals = np.concatenate([signals, self._faults.joints(self.world.ticks)[0]], axis=1)
        self._seen = signals
        obs = self.observer.observe(signals)
        if self.legacy:
            obs = (obs - obs.mean(axis=-1, keepdims=True)) / obs.std(axis=-1, keepdims=True)
        return obs

    def signals(self) -> Float32:
        """Return the measurements (env, signal) behind the newest observations, as messages carry them."""
        return self._seen.astype(np.float32)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return everything that the future of the copies depends on."""
        return {**self._faulty.state(), "returns": self._return.copy(),
                "fault_episodes": self._faults.snapshot()}

    def restore(self, kept: dict[str, NDArray[Any]]) -> None:
        """Continue from a snapshot, bit for bit."""
        self._return[:] = kept["returns"]
        self._faults.restore(kept["fault_episodes"])
        self._faulty.set_state(kept, self._faults.schedules)

    def share(self) -> Float32:
        """Return the share (env, agent, act_dim) of each next action that its joint, broken or whole, really does."""
        _, share = self._faults.joints(self.world.ticks)
        in_agents = np.ones((self.count, *self.spec.act_mask.shape), np.float32)
        in_agents[:, self._joint_agent, self._joint_column] = share
        return in_agents

    def _joint_places(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return, for each joint in command order, the agent that moves it and its column in that agent's action."""
        place = {joint: (i, k) for i, agent in enumerate(self.robot.agents(self._split))
                 for k, joint in enumerate(agent.joints)}
        found = np.array([place[joint] for joint in self.world.joint_names])
        return found[:, 0], found[:, 1]

    def _flag_columns(self) -> NDArray[np.bool_]:
        """Return a mask of the columns that hold fault flags: the last columns of an observation before its id."""
        columns = np.zeros_like(self.observer.measured)
        if self._flagged:
            for i, agent in enumerate(self.robot.agents(self._split)):
                seen = np.flatnonzero(self.observer.measured[i])
                columns[i, seen[-len(agent.joints):]] = True
        return columns


def make(task: str, count: int, **options: Any) -> MultiAgentMujoco:
    """Return copies of a task such as `halfcheetah_6x1`."""
    robot, _, split = task.partition("_")
    return MultiAgentMujoco(robot, split, count, **options)
