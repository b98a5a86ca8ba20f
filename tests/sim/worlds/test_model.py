# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A world of a model file measures its base, keeps to its rates, breaks as any world, and continues from a snapshot."""

import numpy as np
import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.faults.schedule import Fault, Schedule
from mat_ros.newrobot.folder import new_robot
from mat_ros.worlds.faults import FaultyWorld
from support.robot_files import SERVOS, arm, gymnasium_robots, world_of

pytestmark = pytest.mark.sim
TENDON = """
  <tendon><fixed name="both"><joint joint="luff" coef="1"/><joint joint="dip" coef="1"/></fixed></tendon>
  <actuator><position joint="slew" kp="40" kv="8" ctrlrange="-2 2"/>
    <position tendon="both" kp="90" kv="9" ctrlrange="-1 1"/></actuator>
"""


@pytest.fixture
def opened(tmp_path):
    """Return a function that writes the folder of a robot and opens its world."""

    def open_world(path):
        new_robot(path, into=tmp_path / "out")
        world = world_of(tmp_path / "out", 2)
        world.reset(seed=0)
        return world

    return open_world


def test_a_free_base_is_upright_until_it_tilts_however_it_is_turned(opened):
    world = opened(gymnasium_robots()["ant"])
    assert world.upright() == pytest.approx(1.0) and world.height() == pytest.approx(1.0)
    half = np.sqrt(0.5)
    for turn, cosine in (((half, 0, 0, half), 1.0), ((half, half, 0, 0), 0.0), ((0, 0, 1, 0), -1.0)):
        world._qpos[:, 3:7] = turn
        assert world.upright() == pytest.approx(cosine, abs=1e-9)
    world._qpos[:, 2] /= 2
    assert world.height() == pytest.approx(0.5)
    world._qvel[:, 0] = 3.0
    assert world.speed() == pytest.approx(3.0)


def test_a_base_in_a_plane_is_measured_as_a_free_one(opened):
    world = opened(gymnasium_robots()["walker2d_v5"])
    assert {"root_height", "root_angle", "root_velocity", "root_rate"} <= {term.name for term in world.terms}
    world._qpos[:, 2] = np.pi / 3
    world._qvel[:, 0] = -2.0
    assert world.upright() == pytest.approx(0.5) and world.speed() == pytest.approx(-2.0)
    world._qpos[:, 1] -= 0.5 * world._height
    assert world.height() == pytest.approx(0.5, abs=0.02)


def test_joints_without_motors_are_measured(opened):
    assert opened(gymnasium_robots()["inverted_pendulum"]).signal("passive_position").shape == (2, 1)


def test_commands_keep_to_the_rate_of_the_robot_file(opened, tmp_path):
    world = opened(arm(tmp_path))
    before = world._ctrl.copy()
    world.step(np.tile(world.command_upper, (2, 1)))
    changes = np.array([joint.rate for joint in world.robot.joints]) * world.control_period_ns * 1e-9
    assert (world._ctrl - before <= changes + 1e-12).all() and np.isinf(changes[1])


@pytest.mark.parametrize("kind", ["off", "stuck", "weak", "wrong"])
@pytest.mark.parametrize("rest", [SERVOS, TENDON], ids=["joints", "tendon"])
def test_every_motor_can_break_also_that_of_a_tendon(opened, tmp_path, kind, rest):
    world = opened(arm(tmp_path, rest))
    faulty = FaultyWorld(world)
    faults = [Fault(f"{joint} {kind}", "actuator", kind, joint, 1.0, 0) for joint in world.joint_names]
    faulty.reset(seed=0, schedules=[Schedule(0, tuple(faults)), Schedule(0)])
    for _ in range(20):
        faulty.step(np.tile(world.command_upper / 2, (2, 1)))
    broken, whole = faulty.measure()
    assert np.isfinite(faulty.measure()).all() and not np.allclose(broken, whole)
    if kind == "stuck":
        assert world.signal("joint_velocity")[0] == pytest.approx(0.0, abs=0.01)


def test_a_snapshot_continues_with_the_same_bits(opened, tmp_path):
    world = opened(arm(tmp_path))
    world.step(np.full((2, 3), 0.4))
    kept = world.state()
    world.step(np.full((2, 3), -0.4))
    wanted = world.measure()
    world.reset(seed=5)
    world.set_state(kept)
    world.step(np.full((2, 3), -0.4))
    assert (world.measure() == wanted).all()


def test_a_rate_that_is_no_whole_number_of_physics_steps_is_refused_with_the_nearest(opened, tmp_path):
    world = opened(arm(tmp_path))
    file = world.robot_file
    file.write_text(file.read_text().replace("rate_hz: 50.0", "rate_hz: 60"))
    with pytest.raises(Refused, match=r"rate_hz: expected 1 / \(whole number \* 0\.002 s\).*, got 60; write 62\.5"):
        type(world)()
