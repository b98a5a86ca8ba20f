# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A camera shows a robot on a floor wherever the robot is, and changes nothing of the world."""

from __future__ import annotations

import numpy as np
import pytest

mujoco = pytest.importorskip("mujoco", reason="needs the sim extra")

from mat_ros.core import shipped  # noqa: E402
from mat_ros.core.errors import Missing  # noqa: E402
from mat_ros.core.policy.bundle import Bundle  # noqa: E402
from mat_ros.hardware.simulated import SimulatedRobot  # noqa: E402
from mat_ros.worlds.render import Camera  # noqa: E402

pytestmark = pytest.mark.sim
FAR_M = 200.0  # behind the edge of the floor that the model describes


def test_a_robot_that_runs_far_still_runs_on_a_floor():
    robot = SimulatedRobot(Bundle.load(shipped.policy_folder("halfcheetah_mat")).manifest, "", 0)
    model, data = robot.world.materialise(0)
    before = [array.copy() for array in (model.geom_size, model.mat_texrepeat, model.mat_texuniform)]
    try:
        camera = Camera(robot.world, 160, 90)
    except Missing as error:
        pytest.skip(str(error))
    data.qpos[0] = FAR_M
    mujoco.mj_forward(model, data)
    robot.world.materialise = lambda row: (model, data)
    with camera:
        picture = camera.take()
    below, above = picture[-20:].std(), picture[:20].std()
    assert below > 3.0 * above  # tiles, and not the even sky
    after = (model.geom_size, model.mat_texrepeat, model.mat_texuniform)
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
