# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define a task: a robot in a world, what its agents observe, when an episode ends, and what each tick is worth.

Training and the runtime use the same object. A user's task is a subclass, named `module:Class`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from mat_ros.core import named, shipped
from mat_ros.core.errors import Refused
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.robot.description import Agent, RobotDescription
from mat_ros.core.robot.observe import Layout, Part, View
from mat_ros.worlds.world import Float, World

Bool = NDArray[np.bool_]
NO: Any = np.False_  # in no simulation


@dataclass(frozen=True)
class Worth:
    """Hold what the tick that has just passed was worth, (simulation,) each."""

    reward: Float
    done: Bool = NO  # the task is done in this tick; leave it out where a task has no goal
    over: Bool = NO  # the episode cannot go on
    failed: Bool = NO  # a training ends the episode here, and a deployment goes on
    shaping: Any = 0.0  # (simulation,), a reward that only training pays; no return counts it
    goal: bool = field(init=False)  # whether the task has a goal

    def __post_init__(self) -> None:
        """Fill in what was left out."""
        object.__setattr__(self, "goal", self.done is not NO)
        for name in ("done", "over", "failed", "shaping"):
            object.__setattr__(self, name, np.broadcast_to(getattr(self, name), self.reward.shape))


class Score(Protocol):
    """Define the score of an episode of a deployment."""

    name: str  # name of the score, with its unit
    horizon: int  # ticks

    def judge(self, actions: Float) -> Worth:
        """Return the score of the tick that had these actions (simulation, agent, act_dim), padded with zeros."""
        ...


class Script(Protocol):
    """Command the joints by a script, for any number of simulations at any tick."""

    def command(self, world: Any) -> Float:
        """Return the script's commands (simulation, joint) for the present tick."""
        ...


class Task:
    """Name a robot and a horizon, and judge each tick. The other methods have defaults."""

    name: ClassVar[str] = ""  # registered name; empty: the task is named module:Class
    robot: ClassVar[str]  # a shipped robot, or a YAML file beside the module of the task
    horizon: ClassVar[int]  # ticks until an episode is cut off
    unit: ClassVar[str] = "return"  # name of the score, with its unit
    aim: ClassVar[str] = ""  # one line about the task

    def judge(self, world: Any, actions: Float) -> Worth:
        """Return what the tick that has just passed was worth, after these actions (simulation, agent, act_dim)."""
        raise NotImplementedError

    def layout(self, world: World, agents: tuple[Agent, ...]) -> Layout:
        """Return what each agent observes: by default all terms of the world, and which agent it is."""
        everything = tuple(Part(term.name) for term in world.terms)
        return Layout(world.terms, tuple(View(agent.name, everything) for agent in agents), agent_id=True)

    def open(self, count: int, threads: int = 1) -> World:
        """Return simulations of the world that the robot file names."""
        robot = self.description()
        if not robot.world:
            raise Refused(f"robot {robot.name}", "a world, as in `world: my_module:MyWorld`", "none",
                          "name one in the robot file, or override `open` in the task")
        kind = named.find(named.WORLDS, robot.world)
        if not (isinstance(kind, type) and issubclass(kind, World)):
            raise Refused(f"world {robot.world}", "a subclass of mat_ros.worlds.world.World", kind,
                          "correct the robot file, or the class")
        make: Callable[[int, int], World] = kind  # a world of a user takes these two arguments
        return make(count, threads)

    def score(self, world: World) -> Score:
        """Return the score that a deployment counts: by default the reward of the training."""
        return TaskScore(self, world)

    def script(self) -> Script:
        """Return a script that shows the task. A task needs one where chance brings about no first success."""
        raise Refused(f"script of {self.full_name}", "a task that has one", "none", "train without a script")

    def diverged(self, world: World) -> Bool:
        """Return where the physics failed, (simulation,): such an episode ends, without a reward for the tick."""
        return world.warnings() > 0

    def worth(self, world: World, actions: Float) -> Worth:
        """Return `judge`, without reward and success where the physics failed."""
        found, broken = self.judge(world, actions), self.diverged(world)
        if not broken.any():
            return found
        done = found.done & ~broken if found.goal else NO
        return Worth(np.where(broken, 0.0, found.reward), done, found.over | broken, found.failed & ~broken,
                     np.where(broken, 0.0, found.shaping))

    @property
    def full_name(self) -> str:
        """Return the registered name, or module:Class."""
        return self.name or f"{type(self).__module__}:{type(self).__qualname__}"

    def description(self) -> RobotDescription:
        """Return the robot."""
        if self.robot.endswith((".yaml", ".yml")):
            return RobotDescription.load(Path(inspect.getfile(type(self))).parent / self.robot)
        return RobotDescription.load(shipped.config_file("robots", self.robot))


class TaskScore:
    """Count the rewards of a task."""

    def __init__(self, task: Task, world: World) -> None:
        self._task, self._world = task, world
        self.name, self.horizon = task.unit, task.horizon

    def judge(self, actions: Float) -> Worth:
        """Return the score of the tick that had these actions."""
        return self._task.worth(self._world, actions)


def find_task(name: str) -> tuple[Any, str]:
    """Return the class of a task such as `over_hand` or `arm_task:Reach_joint`, and the split."""
    first, split = named.split_name(name, named.TASKS)
    if not first and ":" in name:
        raise Refused(f"task {name}", "module:Class_split with a class of the module, as in arm_task:Reach_joint", name,
                      "correct the name")
    if not first:
        known = named.names(named.TASKS)
        raise Refused(f"task {name}", f"a name that begins with one of {known}, and then a split, as in over_hand, or "
                      "your own module:Class_split", name, "choose a known task")
    return named.find(named.TASKS, first), split


def task_of(manifest: Manifest, name: str = "") -> Task:
    """Return the task that a policy was trained on, or another one by name. This imports the task's module."""
    if not manifest.world:
        raise Refused(f"world of policy {manifest.name}", "a simulated robot", "none",
                      "choose a policy of a simulated robot, or run this one on its robot")
    found, _ = find_task(name or manifest.task)
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise Refused(f"task {name or manifest.task}", "a subclass of mat_ros.worlds.task.Task", found,
                      "name a task that the runtime can simulate")
    task: Task = found()
    return task
