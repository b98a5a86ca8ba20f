# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Write the files of a user's robot: two driven joints in MJCF, its world, its task and its adapter, in one module."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

YAML = """name: twin
world: twin:TwinWorld
rate_hz: 50
joint_defaults: {quantity: position, unit: rad, lower: -1.0, upper: 1.0, rate: 20.0, effort: 5.0, scale: 1.0,
                 offset: 0.0, default: 0.0, fallback: hold}
joints: {lower_hinge: , upper_hinge: }
"""
MODULE = '''
from pathlib import Path

import mujoco
import numpy as np

from mat_ros.hardware.fake import FakeBus
from mat_ros.worlds.batch import MujocoWorld
from mat_ros.worlds.signals import joint_positions, joint_velocities
from mat_ros.worlds.task import Task, Worth

JOINTS = ("lower_hinge", "upper_hinge")
XML = """<mujoco><option timestep="0.005"/><compiler angle="radian"/><worldbody>
<body name="a"><joint name="lower_hinge" axis="0 1 0" damping="0.5" range="-1 1" limited="true"/>
<geom type="capsule" fromto="0 0 0 0 0 0.3" size="0.02"/>
<body name="b" pos="0 0 0.3"><joint name="upper_hinge" axis="0 1 0" damping="0.5" range="-1 1" limited="true"/>
<geom type="capsule" fromto="0 0 0 0 0 0.3" size="0.02"/></body></body></worldbody>
<actuator><position name="m0" joint="lower_hinge" kp="20" ctrlrange="-1 1"/>
<position name="m1" joint="upper_hinge" kp="20" ctrlrange="-1 1"/></actuator></mujoco>"""


class TwinWorld(MujocoWorld):
    def __init__(self, count, threads=1):
        model = mujoco.MjModel.from_xml_string(XML)
        super().__init__(model, count, threads, 4, {"lower_hinge": "m0", "upper_hinge": "m1"},
                         (joint_positions(model, JOINTS), joint_velocities(model, JOINTS)))

    def _start(self, rows):
        self._qpos[rows] = 0.2 * (2.0 * self.uniform(rows, 2) - 1.0)


class Stand(Task):
    robot, horizon = "twin.yaml", 40

    def judge(self, world, actions):
        lean = np.abs(world.signal("joint_position")).sum(axis=1)
        return Worth(reward=-lean, done=lean < 0.1)


class Adapter(FakeBus):
    pass
'''


def write_robot(folder: Path) -> Path:
    """Write the files and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "twin.yaml").write_text(YAML, encoding="utf-8")
    (folder / "twin.py").write_text(MODULE, encoding="utf-8")
    return folder


@contextmanager
def standing_in(folder: Path) -> Iterator[None]:
    """Make the folder the current one, and forget the module `twin` and the path afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [entry for entry in sys.path if entry])
        yield
    sys.modules.pop("twin", None)
