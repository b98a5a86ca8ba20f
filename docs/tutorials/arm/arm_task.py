# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define the task of the arm: a world, where an episode starts, and what a tick is worth."""

from pathlib import Path

import numpy as np
from arm import SPEED_RAD, TERMS, fingertip

from mat_ros.core.robot.description import RobotDescription
from mat_ros.worlds.kinematic import KinematicWorld
from mat_ros.worlds.task import Task, Worth

ROBOT = RobotDescription.load(Path(__file__).parent / "arm.yaml")
MIDDLE_RAD = np.array([(joint.lower + joint.upper) / 2 for joint in ROBOT.joints])
START_RAD = 1.0  # largest distance of each joint's start from its middle
NEAR_M, FAR_M = 0.45, 0.8  # smallest and largest distance of a target from the shoulder
SWING_RAD = 0.9  # largest angle of a target to either side
REACHED_M = 0.05
HASTE = 0.3  # m per rad^2 of the angle requested in a tick; without this term the joints would shake at the target


class ArmWorld(KinematicWorld):
    """Simulate arms, each with a target."""

    def __init__(self, count: int, threads: int = 1) -> None:
        super().__init__(ROBOT, count, TERMS, SPEED_RAD)

    def _start(self, rows: np.ndarray) -> None:
        draws = self.uniform(rows, 2 + len(ROBOT.joints))
        radius, swing = NEAR_M + (FAR_M - NEAR_M) * draws[:, 0], SWING_RAD * (2 * draws[:, 1] - 1)
        self.values["target"][rows] = np.stack([radius * np.cos(swing), radius * np.sin(swing)], axis=-1)
        self.values["joint_position"][rows] = MIDDLE_RAD + START_RAD * (2 * draws[:, 2:] - 1)


class Reach(Task):
    """Reach the target with the fingertip and rest there."""

    robot, horizon, aim = "arm.yaml", 60, "reach a target with the fingertip"

    def judge(self, world: ArmWorld, actions: np.ndarray) -> Worth:
        """Pay minus the distance in m, less a term for haste."""
        far = np.linalg.norm(fingertip(world.signal("joint_position")) - world.signal("target"), axis=-1)
        return Worth(reward=-far - HASTE * np.square(world.asked).sum(axis=-1), done=far < REACHED_M)
