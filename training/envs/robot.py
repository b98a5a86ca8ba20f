# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Step many copies of any task of a robot, with the physics that the runtime also steps.

The task states robot, world, observations, reward and end. This class adds everything that all tasks have in common:
batches, splits, faults and what is told of them, randomisation, curricula, scripts and snapshots.
"""

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
from mat_ros.core.robot.observe import Layout, Observer, Part, Term, View
from mat_ros.worlds.completion import Completion
from mat_ros.worlds.faults import FaultyWorld, fault_targets
from mat_ros.worlds.randomise import Randomiser, Variation, load_table
from mat_ros.worlds.task import Script, Task
from mat_ros.worlds.world import Float
from training.envs.breakage import EpisodeFaults
from training.envs.curriculum import Curriculum, FromTheStart, demonstrate
from training.envs.protocol import Bool, Float32, Spec

BROKEN = "joint_broken"  # the term that a fault flag reads: 1 while the joint is broken


class RobotEnvironment:
    """Step many copies of a task; see `training.envs.protocol.Environment`."""

    normalises = True  # whether measurements may be normalised

    def __init__(self, task: Task, split: str, count: int, *, faults: str = "",
                 information: Literal["intent", "truth"] = "intent", fault_flag: bool = False, randomisation: str = "",
                 curriculum: float = 0.0, threads: int = 1, first: int = 0, layout: Layout | None = None) -> None:
        """Make `count` copies; `first` is the index of copy 0 in a larger batch that several processes share.

        The agents observe by `layout`, as those of a bundle do, or by the layout of the task.
        """
        self.task, self.count, self.robot = task, count, task.description()
        agents, self.action_map = self.robot.agents(split), self.robot.action_map(split)
        self.world = task.open(count, threads)
        self.world.first = first
        self._check_world()
        self._curriculum = Curriculum(self.world, demonstrate(task), curriculum) if curriculum else FromTheStart()
        plan = find_plan(faults, self.world.control_period_ns, fault_targets(self.world))
        self._faults = EpisodeFaults(plan, self.world.joint_names, count)
        self._randomiser = Randomiser(self.world, _find_table(randomisation), seed=0)
        self._faulty = FaultyWorld(self.world)
        layout = layout or task.layout(self.world, agents)
        if fault_flag:
            layout = _with_flags(layout, self.world.joint_names, {agent.name: agent.joints for agent in agents})
        self._flagged = any(term.name == BROKEN for term in layout.terms)
        self._columns = self._columns_of(layout)
        self.observer = Observer(layout)
        visible = self.observer.measured.copy()
        if layout.agent_id:
            visible[:, -len(agents):] = True
        normalised = self.observer.measured & self.normalises
        for i, agent in enumerate(agents):
            if self._flagged:  # the flags are the last measured columns
                normalised[i, np.flatnonzero(self.observer.measured[i])[-len(agent.joints):]] = False
        self.spec = Spec(task=f"{task.full_name}_{split}", robot=self.robot.name, split=split, layout=layout,
                         agents=tuple(agent.name for agent in agents), obs_dim=self.observer.obs_dim,
                         act_dim=self.action_map.act_dim, obs_mask=visible, normalise_mask=normalised,
                         act_mask=self.action_map.mask, horizon=task.horizon, information=information,
                         faults=plan.name)
        place = {joint: (i, k) for i, agent in enumerate(agents) for k, joint in enumerate(agent.joints)}
        self._agent_column = tuple(np.array([place[joint] for joint in self.world.joint_names]).T)
        self._return = np.zeros(count)
        self._completion = Completion(count, self.world.control_period_ns)
        self._seen: Float = np.zeros((count, layout.signal_count))

    def _check_world(self) -> None:
        """Refuse a world whose joints or rate are not those of the robot file."""
        if self.action_map.joint_names != self.world.joint_names:
            raise Refused(f"robot {self.robot.name}", f"joints {self.world.joint_names}", self.action_map.joint_names,
                          "order them as the world's commands")
        if self.robot.period_ns != self.world.control_period_ns:
            raise Refused(f"robot {self.robot.name}, rate_hz", f"{1e9 / self.world.control_period_ns:g}, as the world",
                          f"{1e9 / self.robot.period_ns:g}", "correct the robot file or the world's time step")

    def _columns_of(self, layout: Layout) -> NDArray[np.intp]:
        """Return the columns of a layout's terms, except the flags, in the world's measurements."""
        measured = tuple(term for term in layout.terms if term.name != BROKEN)
        Layout(measured, layout.views).check(self.world.terms)
        widths = {term.name: len(term.elements) for term in self.world.terms}
        starts = dict(zip(widths, np.cumsum([0, *widths.values()]).tolist(), strict=False))
        return np.concatenate([np.arange(starts[t.name], starts[t.name] + widths[t.name]) for t in measured])

    def reset(self, seed: int) -> Float32:
        """Start all copies anew and return observations (env, agent, obs_dim)."""
        everyone = np.arange(self.count)
        self._return[:] = 0.0
        self._completion.begin(everyone)
        self._begin(everyone, seed, self._faults.restart())
        self._seen = self._read(self._randomiser.readings(self._faulty.measure()), everyone)
        return self._observed(self._seen)

    def _begin(self, rows: NDArray[np.intp], seed: int | None, schedules: list[Schedule]) -> None:
        self._randomiser.begin(rows)
        self._faulty.reset(rows, seed, schedules)
        self._randomiser.arrive(rows)

    def step(self, actions: NDArray[Any]) -> tuple[Float32, Float32, Bool, Bool, dict[str, Any]]:
        """Apply actions (env, agent, act_dim); return obs, reward (env,), terminated (env,), truncated (env,), info."""
        return self._advance(self._command(actions), actions, early=True)

    def drive(self, command: Float, actions: NDArray[Any]) -> tuple[Float32, Float32, Bool, Bool, dict[str, Any]]:
        """Take a step by commands (env, joint), as the runtime does; the reward may charge for the actions behind them.

        An episode lasts as long as the runtime's. So it may outlast a failure by which a training ends it.
        """
        return self._advance(command, actions, early=False)

    def _advance(self, command: Float, actions: NDArray[Any], early: bool
                 ) -> tuple[Float32, Float32, Bool, Bool, dict[str, Any]]:
        command = self._randomiser.command(command)
        self._faulty.step(np.clip(command, self.world.command_lower, self.world.command_upper))
        worth = self.task.worth(self.world, np.where(self.spec.act_mask, actions, 0.0))
        self._return += worth.reward
        if worth.goal:
            self._completion.note(worth.done)
        terminated, truncated = self._ends(worth.over | worth.failed & early, self.world.ticks >= self.task.horizon)
        self._seen = self._read(self._randomiser.readings(self._faulty.measure()), np.arange(self.count))
        obs, info = self._observed(self._seen), {"ended": np.flatnonzero(terminated | truncated)}
        if info["ended"].size:
            info = self._restart(obs, info["ended"], worth.goal)
        return obs, (worth.reward + worth.shaping).astype(np.float32), terminated, truncated, info

    def _restart(self, obs: Float32, ended: NDArray[np.intp], goal: bool) -> dict[str, Any]:
        """Begin the next episode of ended copies, put their first observations into `obs`, and return the info."""
        info = {"ended": ended, "final_obs": obs[ended].copy(), "episode_return": self._return[ended].copy(),
                "episode_length": self.world.ticks[ended].copy()}
        if goal:
            info |= {"reached": self._completion.reached[ended], "success": self._completion.success[ended]}
            self._curriculum.learn(ended, info["reached"])
        self._return[ended] = 0.0
        self._completion.begin(ended)
        self._begin(ended, None, self._faults.next(ended))
        first = self._randomiser.first_readings(self._faulty.measure()[ended], ended)
        self._seen[ended] = self._read(first, ended)
        obs[ended] = self._observed(self._seen[ended])
        return info

    def _read(self, readings: Float, rows: NDArray[np.intp]) -> Float:
        """Return the measurements (row, signal) of the layout, and the flags of broken joints where agents see them."""
        signals = readings[:, self._columns]
        if self._flagged:
            signals = np.concatenate([signals, self._faults.joints(self.world.ticks)[0][rows]], axis=1)
        return signals

    def _command(self, actions: NDArray[Any]) -> Float:
        """Return the commands (env, joint) of actions (env, agent, act_dim)."""
        return self.action_map.to_command(actions)

    def _observed(self, signals: Float) -> Float32:
        """Return the observations (row, agent, obs_dim) of measurements (row, signal)."""
        return self.observer.observe(signals)

    def _ends(self, over: Bool, at_limit: Bool) -> tuple[Bool, Bool]:
        """Return which episodes (env,) are terminated, and which are truncated."""
        return over, at_limit & ~over

    def signals(self) -> Float32:
        """Return the measurements (env, signal) behind the newest observations, as messages carry them."""
        return self._seen.astype(np.float32)

    @cached_property
    def _script(self) -> Script:
        """Return the task's script. The first call makes the script, because making it may step a world of its own."""
        return self.task.script()

    def shown(self) -> Float32:
        """Return the actions (env, agent, act_dim) that the task's script takes in this tick."""
        return self.action_map.to_actions(self._script.command(self.world)).astype(np.float32)

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


def _with_flags(layout: Layout, joints: tuple[str, ...], joints_of: dict[str, tuple[str, ...]]) -> Layout:
    """Return a layout in which each agent also observes which of its own joints are broken."""
    views = tuple(View(view.agent, (*view.parts, Part(BROKEN, joints_of[view.agent]))) for view in layout.views)
    return Layout((*layout.terms, Term(BROKEN, "1", joints)), views, layout.clip, layout.agent_id)


def _find_table(name: str) -> tuple[Variation, ...]:
    """Return a randomisation table: a shipped one by name, or a YAML file. An empty name returns no variation."""
    if not name:
        return ()
    known = shipped.config_names("randomisation")
    return load_table(shipped.config_file("randomisation", name) if name in known else Path(name))
