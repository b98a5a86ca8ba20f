# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Step many copies of a task of two hands, with the physics that the runtime also steps."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mat_ros.core import shipped
from mat_ros.core.errors import Refused
from mat_ros.core.faults.schedule import Schedule
from mat_ros.core.faults.targets import find_plan
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.observe import Observer
from mat_ros.worlds.completion import Completion
from mat_ros.worlds.dexhands import HANDS, DexHands
from mat_ros.worlds.faults import FaultyWorld, fault_targets
from mat_ros.worlds.randomise import Randomiser, Variation, load_table
from training.envs.breakage import EpisodeFaults
from training.envs.dexhands.curriculum import Curriculum, FromTheStart
from training.envs.dexhands.guide import Guide, guide_of
from training.envs.dexhands.layout import layout_of
from training.envs.dexhands.pull import demonstrate
from training.envs.dexhands.task import Float, Task
from training.envs.protocol import Bool, Float32, Spec

REWARDS = ("paper", "shaped")


class HandsEnvironment:
    """Step many copies of a task; see `training.envs.protocol.Environment`."""

    def __init__(self, task: Task, split: str, count: int, *, observation: str = "full_state", reward: str = "paper",
                 faults: str = "", information: Literal["intent", "truth"] = "intent", randomisation: str = "",
                 curriculum: float = 0.0, threads: int = 1) -> None:
        if reward not in REWARDS:
            raise Refused("reward", f"one of {REWARDS}", reward, "choose one of them")
        self.task, self.count, self._shaped = task, count, reward == "shaped"
        self.robot = RobotDescription.load(shipped.config_file("robots", task.robot))
        self.world = DexHands(task.name, count, threads)
        self._curriculum = Curriculum(self.world, demonstrate(task), curriculum) if curriculum else FromTheStart()
        plan = find_plan(faults, self.world.control_period_ns, fault_targets(self.world))
        self._faults = EpisodeFaults(plan, self.world.joint_names, count)
        self._randomiser = Randomiser(self.world, _find_table(randomisation), seed=0)
        self._faulty = FaultyWorld(self.world)
        agents = self.robot.agents(split)
        layout = layout_of(self.world.terms, agents, HANDS, observation)
        self.observer = Observer(layout)
        self.action_map = self.robot.action_map(split)
        if self.action_map.joint_names != self.world.joint_names:
            raise Refused(f"robot {task.robot}", f"joints {self.world.joint_names}", self.action_map.joint_names,
                          "order them as the world's commands")
        seen = self.observer.measured.copy()
        if layout.agent_id:
            seen[:, -len(agents):] = True
        self.spec = Spec(
            task=f"{task.name}_{split}", robot=task.robot, split=split, layout=layout,
            agents=tuple(agent.name for agent in agents), obs_dim=self.observer.obs_dim,
            act_dim=self.action_map.act_dim, obs_mask=seen, normalise_mask=self.observer.measured,
            act_mask=self.action_map.mask, horizon=task.horizon, information=information, faults=plan.name)
        looked_at = [term.name for term in layout.terms]
        widths = {term.name: len(term.elements) for term in self.world.terms}
        starts = dict(zip(widths, np.cumsum([0, *widths.values()]).tolist(), strict=False))
        # The columns of the layout's terms in the world's longer measurement vector.
        self._columns = np.concatenate([np.arange(starts[n], starts[n] + widths[n]) for n in looked_at])
        place = {joint: (i, k) for i, agent in enumerate(agents) for k, joint in enumerate(agent.joints)}
        self._agent_column = tuple(np.array([place[joint] for joint in self.world.joint_names]).T)
        self._return = np.zeros(count)
        self._completion = Completion(count, self.world.control_period_ns)
        self._seen: Float = np.zeros((count, len(self._columns)))

    def reset(self, seed: int) -> Float32:
        """Start all copies anew and return observations (env, agent, obs_dim)."""
        self._return[:] = 0.0
        self._completion.begin(np.arange(self.count))
        self._begin(np.arange(self.count), seed, self._faults.restart())
        return self._observe()

    def _begin(self, rows: NDArray[np.intp], seed: int | None, schedules: list[Schedule]) -> None:
        self._randomiser.begin(rows)
        self._faulty.reset(rows, seed, schedules)
        self._randomiser.arrive(rows)

    def step(self, actions: NDArray[Any]) -> tuple[Float32, Float32, Bool, Bool, dict[str, Any]]:
        """Apply actions (env, agent, act_dim); return obs, reward (env,), terminated (env,), truncated (env,), info."""
        return self._advance(self.action_map.to_command(actions), early=True)

    def drive(self, command: Float, actions: NDArray[Any]) -> tuple[Float32, Float32, Bool, Bool, dict[str, Any]]:
        """Take a step by commands (env, joint); hands pay nothing for actions, and no failure ends an episode early."""
        return self._advance(command, early=False)

    def _advance(self, command: Float, early: bool) -> tuple[Float32, Float32, Bool, Bool, dict[str, Any]]:
        command = self._randomiser.command(command)
        self._faulty.step(np.clip(command, self.world.command_lower, self.world.command_upper))
        judgement = self.task.judge(self.world)
        reward = judgement.reward + judgement.progress if self._shaped else judgement.reward
        broken = self.world.warnings() > 0  # a simulation that has diverged earns no reward and no success
        reward = np.where(broken, 0.0, reward)
        self._return += np.where(broken, 0.0, judgement.reward)
        self._completion.note(judgement.done & ~broken)
        terminated = judgement.failed & early | broken
        truncated = (self.world.ticks >= self.task.horizon) & ~terminated
        obs, info = self._observe(), {"ended": np.flatnonzero(terminated | truncated)}
        if info["ended"].size:
            info = self._restart(obs, info["ended"])
        return obs, reward.astype(np.float32), terminated, truncated, info

    def _restart(self, obs: Float32, ended: NDArray[np.intp]) -> dict[str, Any]:
        """Begin the next episode of ended copies, put their first observations into `obs`, and return the info."""
        info = {"ended": ended, "final_obs": obs[ended].copy(), "episode_return": self._return[ended].copy(),
                "episode_length": self.world.ticks[ended].copy(), "reached": self._completion.reached[ended],
                "success": self._completion.success[ended]}
        self._curriculum.learn(ended, info["reached"])
        self._return[ended] = 0.0
        self._completion.begin(ended)
        self._begin(ended, None, self._faults.next(ended))
        first = self._randomiser.first_readings(self._faulty.measure()[ended], ended)
        self._seen[ended] = first[:, self._columns]
        obs[ended] = self.observer.observe(self._seen[ended])
        return info

    def _observe(self) -> Float32:
        """Return the observations of all copies in this tick."""
        self._seen = self._randomiser.readings(self._faulty.measure())[:, self._columns]
        return self.observer.observe(self._seen)

    def signals(self) -> Float32:
        """Return the measurements (env, signal) behind the newest observations, as messages carry them."""
        return self._seen.astype(np.float32)

    @cached_property
    def _guide(self) -> Guide:
        """Return the task's script. The first call makes the script, because making it may step a world of its own."""
        return guide_of(self.task)

    def shown(self) -> Float32:
        """Return the actions (env, agent, act_dim) that the task's script takes in this tick."""
        return self.action_map.to_actions(self._guide.command(self.world)).astype(np.float32)

    def share(self) -> Float32:
        """Return the share (env, agent, act_dim) of each next action that its joint, broken or whole, really does."""
        share = np.ones((self.count, *self.spec.act_mask.shape), np.float32)
        share[(slice(None), *self._agent_column)] = self._faults.joints(self.world.ticks)[1]
        return share

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return everything that the future of the copies depends on."""
        return {**self._faulty.state(), **self._randomiser.state(), **self._curriculum.snapshot(),
                **self._completion.snapshot(), "returns": self._return.copy(),
                "fault_episodes": self._faults.snapshot()}

    def restore(self, kept: dict[str, NDArray[Any]]) -> None:
        """Continue from a snapshot, bit for bit."""
        self._return[:] = kept["returns"]
        self._completion.restore(kept)
        self._randomiser.set_state(kept)
        self._curriculum.restore(kept)
        self._faults.restore(kept["fault_episodes"])
        self._faulty.set_state(kept, self._faults.schedules)


def _find_table(name: str) -> tuple[Variation, ...]:
    """Return a randomisation table: a shipped one by name, or a YAML file. An empty name returns no variation."""
    if not name:
        return ()
    known = shipped.config_names("randomisation")
    return load_table(shipped.config_file("randomisation", name) if name in known else Path(name))
