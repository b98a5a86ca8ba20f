# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The random bundles that are kept in tests/golden/bundles, for tests that have no torch, and how they were made.

`PYTHONPATH=tests python -m support.random_bundle` makes them anew. Tests that have torch make others with
`training.exporting.sample.make_bundle`.
"""

from __future__ import annotations

import shutil

import torch

from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.observe import Layout, Part, Term, View
from support.places import BUNDLES
from training.exporting.bundle import Origin
from training.exporting.sample import describe, export_random


def kept_origin() -> Origin:
    """Describe the robot of the kept bundles: each joint sees itself, and where all the others are."""
    robot = RobotDescription.load(BUNDLES / "robot.yaml")
    names = tuple(joint.name for joint in robot.joints)
    terms = (Term("joint_position", "rad", names), Term("joint_velocity", "rad/s", names))
    views = tuple(View(agent.name, (Part("joint_position", agent.joints), Part("joint_velocity", agent.joints),
                                    Part("joint_position"))) for agent in robot.agents("joint"))
    return describe(robot.name, robot.agents("joint"), robot.joints, robot.period_ns, "joint", Layout(terms, views))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in ("rwkv4", "attention"):
        shutil.rmtree(BUNDLES / name, ignore_errors=True)
        export_random(BUNDLES / name, kept_origin(), ticks=20, seed=1, encoder=name, decoder=name, width=16)
