# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run along x, with the rewards of Gymnasium; an agent observes its own joints and the root."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.core.robot.description import Agent
from mat_ros.core.robot.observe import Layout, Part, View
from mat_ros.worlds.mamujoco import Locomotion
from mat_ros.worlds.task import Task, Worth
from mat_ros.worlds.world import World

FULL = -1  # number of hops that stands for the whole robot


class RunningTask(Task):
    """Pay for forward speed, and end the episode when the robot falls."""

    horizon, aim = 1000, "run along x"

    def __init__(self, hops: int = 0) -> None:
        self._hops = hops  # an agent observes the joints that lie up to this many hops away along the skeleton

    def layout(self, world: World, agents: tuple[Agent, ...]) -> Layout:
        """Return what each agent observes: its own joints, those up to `hops` away along the skeleton, the root, id."""
        if not isinstance(world, Locomotion):
            raise Refused(f"world of {self.name}", "a running robot", type(world).__name__, "correct the robot file")
        adjacent = world.neighbours()
        root = tuple(Part(term.name) for term in world.terms if term.name.startswith("root"))
        views = []
        for agent in agents:
            seen = list(agent.joints)
            for _ in range(max(self._hops, 0)):
                seen += sorted({b for a in seen for b in adjacent[a]} - set(seen))
            if self._hops == FULL:
                seen += [joint for joint in world.joint_names if joint not in seen]
            joints = tuple(Part(term, (joint,)) for joint in seen for term in ("joint_position", "joint_velocity"))
            views.append(View(agent.name, joints + root))
        return Layout(world.terms, tuple(views), agent_id=True)

    def judge(self, world: Locomotion, actions: NDArray[np.floating]) -> Worth:
        """Return speed's reward minus effort's cost; as published, actions count before the motors' limits."""
        pay, upright = world.pay, world.upright()
        effort = np.square(actions, dtype=np.float64).sum(axis=(1, 2))
        return Worth(pay.forward * world.speed() - pay.control_cost * effort + pay.alive * upright, over=~upright)

    def diverged(self, world: World) -> NDArray[np.bool_]:
        """Return False: the published tasks go on after a warning, and old curves are compared with new ones."""
        return np.zeros(world.count, dtype=bool)


class RunHalfCheetah(RunningTask):
    """Run with two legs in a plane."""

    name = robot = "halfcheetah"


class RunAnt(RunningTask):
    """Run with four legs."""

    name = robot = "ant"


class RunWalker2d(RunningTask):
    """Walk upright in a plane."""

    name = robot = "walker2d"


class RunHopper(RunningTask):
    """Hop on one leg in a plane."""

    name = robot = "hopper"


class RunHumanoid(RunningTask):
    """Walk upright on two legs."""

    name = robot = "humanoid"
