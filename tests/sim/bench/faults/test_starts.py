# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A grid scatters the starts of episodes: alike for every policy and condition, different from episode to episode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="needs the sim extra")

from mat_ros.backends.choose import open_backend
from mat_ros.bench.faults.grid import Grid
from mat_ros.bench.faults.lockstep import LockStep, LockStepSettings
from mat_ros.core import shipped
from mat_ros.core.errors import Refused
from mat_ros.core.faults.schedule import Fault, Schedule
from mat_ros.core.policy.bundle import Bundle
from mat_ros.hardware.simulated import SimulatedRobot
from mat_ros.worlds.dexhands import DexHands
from mat_ros.worlds.mamujoco import HalfCheetah
from mat_ros.worlds.scatter import Scatter
from mat_ros.worlds.tasks.doors import DOOR_OPEN

pytestmark = pytest.mark.sim

DOORS = [name for name in shipped.policy_names() if "door" in name]


def started(count=3, seed=0, reach=0.05, first=0):
    world = DexHands("door_open_outward", count)
    world.scatter, world.first = Scatter(reach), first
    world.reset(seed=seed)
    return world


def hands(world):
    """Give the positions of all driven joints, (simulation, joint)."""
    names = [name for name in world.joint_names if "base" not in name]
    return np.stack([world.joint_position(name) for name in names], axis=1)


def test_the_same_seed_starts_the_same_and_each_episode_in_its_own_way():
    poses = hands(started())
    assert poses.tobytes() == hands(started()).tobytes()
    assert (np.abs(poses[0] - poses[1]) > 1e-4).sum() > 20
    assert not (poses == hands(started(seed=1))).all()


def test_no_joint_starts_farther_away_than_asked_for_nor_beyond_its_range():
    world = started(8, reach=0.3)
    away = hands(world) - hands(started(8, reach=0.0))
    assert 0.2 < np.abs(away).max() <= 0.3
    for name in world.joint_names:
        if "base" not in name:
            lower, upper = world.model.joint(name).range
            assert (world.joint_position(name) >= lower).all()
            assert (world.joint_position(name) <= upper).all()


def test_a_start_depends_on_no_other_simulation():
    assert hands(started(1)).tobytes() == hands(started(3))[:1].tobytes()
    assert hands(started(1, first=2)).tobytes() == hands(started(3))[2:].tobytes()


def test_whole_robots_that_their_task_scatters_start_elsewhere_too():
    plain, scattered = HalfCheetah(2), HalfCheetah(2)
    scattered.scatter = Scatter(0.05)
    for world in (plain, scattered):
        world.reset(seed=0)
    away = [scattered.joint_position(name) - plain.joint_position(name) for name in plain.joint_names]
    assert 0.0 < np.abs(away).max() <= 0.05


@pytest.mark.skipif(len(DOORS) < 2, reason="needs two door policies")
def test_policies_conditions_and_the_live_robot_get_the_same_starts():
    seen = []
    for name in DOORS[:2]:
        bundle = Bundle.load(shipped.policy_folder(name))
        lockstep = LockStep(bundle, open_backend("auto", bundle), 2, LockStepSettings(scatter=Scatter(0.05)))
        broken = Schedule(4, [Fault("x", "actuator", "off", bundle.manifest.joints[8].name, 1.0, 1)])
        for schedules in (None, [broken] * 2):
            seen.append(lockstep.run(5, schedules, ticks=1, keep=True).signals[0])
    assert all(signals.tobytes() == seen[0].tobytes() for signals in seen)
    live = SimulatedRobot(bundle.manifest, seed=5, number=1, scatter=Scatter(0.05))
    assert live.read().signals.tobytes() == seen[0][1].tobytes()


@pytest.mark.parametrize("name", DOORS)
def test_the_healthy_policy_opens_the_door_from_every_start_of_the_shipped_grid(name):
    bundle = Bundle.load(shipped.policy_folder(name))
    grid = Grid.load(shipped.config_file("grids", "grid_hands"), bundle.manifest)
    assert grid.scatter.joint_position > 0.0
    found = LockStep(bundle, open_backend("auto", bundle), 4, LockStepSettings(scatter=grid.scatter)).run(0)
    assert (found.rewards.max(axis=0) > DOOR_OPEN).all()
    assert len(set(found.returns.tolist())) == 4


@pytest.mark.parametrize("start", ["0.05", "{elbow: 1}", "{joint_position: -1}", "{joint_position: wide}", "[1]"])
def test_a_start_that_cannot_be_meant_is_refused(start, tmp_path):
    bundle = Bundle.load(shipped.policy_folder(shipped.policy_names()[0]))
    (tmp_path / "grid.yaml").write_text(f"start: {start}\n")
    with pytest.raises(Refused, match="start"):
        Grid.load(Path(tmp_path / "grid.yaml"), bundle.manifest)
