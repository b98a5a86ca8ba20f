# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Every scene has its published poses, stays physical under extreme commands, and can be solved."""

from __future__ import annotations

import ctypes
import dataclasses
import sys
import types

import numpy as np
import pytest

mujoco = pytest.importorskip("mujoco", reason="needs the sim extra")

from mat_ros.core.errors import Missing, Refused  # noqa: E402
from mat_ros.worlds.dexhands import SCENES, DexHands  # noqa: E402
from mat_ros.worlds.door import DoubleDoor  # noqa: E402
from mat_ros.worlds.render import Camera, film_strip  # noqa: E402

pytestmark = pytest.mark.sim

DOORS = [name for name in SCENES if name.startswith("door")]


def push(world, **forces):
    """Return a command with straight fingers and forces on the bases: {hand}_{axis}=N."""
    command = np.zeros((world.count, len(world.joint_names)))
    for name, force in forces.items():
        hand, axis = name.split("_")
        command[:, world.joint_names.index(f"{hand}:base_force_{axis}")] = force
    return command


@pytest.mark.parametrize("scene", SCENES)
def test_solver_settings_are_those_that_were_measured(scene):
    model = DexHands(scene, 1).model
    option = model.opt
    assert option.timestep == pytest.approx(1 / 120)
    assert option.integrator == mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    assert option.solver == mujoco.mjtSolver.mjSOL_NEWTON
    assert option.cone == mujoco.mjtCone.mjCONE_PYRAMIDAL
    assert option.jacobian == mujoco.mjtJacobian.mjJAC_DENSE
    assert DexHands(scene, 1).control_period_ns == 16_666_667


@pytest.mark.parametrize("scene", SCENES)
def test_two_thousand_random_saturated_steps_stay_finite_and_raise_no_warning(scene):
    world = DexHands(scene, 2)
    world.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(2000):
        upper = rng.random((2, len(world.joint_names))) < 0.5
        world.step(np.where(upper, world.command_upper, world.command_lower))
        assert np.isfinite(world.measure()).all()
    assert not world.warnings().any()


@pytest.mark.parametrize(("scene", "expected"), [
    ("door_open_inward", [0.18, 0.19, 0.6, 0.18, -0.19, 0.6]),
    ("door_close_inward", [0.53, 0.49, 0.6, 0.53, -0.49, 0.6]),
    ("over", [0.0, -0.37, 0.51, 0.0, -0.63, 0.51]),
    ("catch_over2underarm", [0.0, 0.03, 0.87, 0.0, -0.43, 0.51]),
    ("lift_underarm", [0.0, -0.32, 0.46, 0.0, -0.88, 0.46]),
])
def test_palms_start_where_the_tasks_put_them(scene, expected):
    world = DexHands(scene, 1)
    world.reset(seed=0)
    assert world.signal("hand_position")[0] == pytest.approx(expected, abs=0.012)


@pytest.mark.parametrize("scene", DOORS)
def test_the_published_distance_between_handles_tells_an_open_door_from_a_closed_one(scene):
    world = DexHands(scene, 1)
    world.reset(seed=0)
    for angle, low, high in ((0.0, 0.05, 0.08), (1.57, 0.75, 0.95)):
        for leaf in ("door_left", "door_right"):
            world.set_joint_position(leaf, angle)
        right, left = world.signal("handle_position").reshape(2, 3)
        assert right[1] > 0.0 > left[1]
        assert low < right[1] - left[1] < high


@pytest.mark.parametrize("scene", DOORS)
def test_leaves_swing_to_their_side_through_a_right_angle_and_spring_back_to_their_start(scene):
    world = DexHands(scene, 1)
    world.reset(seed=0)
    start = SCENES[scene].prop.start_angle
    np.testing.assert_allclose(world.signal("door_angle"), start)
    world.set_joint_position("door_left", 1.57)
    edge = world.signal("handle_position")[0, 3]
    assert (edge > 0.3) == (SCENES[scene].prop.swings == "inward") and abs(edge) > 0.3
    for k in range(700):
        world.step(push(world, robot0_x=600.0, robot1_x=600.0))  # push the hands away from the door
        if k == 300:
            for side in ("door_left", "door_right"):
                world.set_joint_position(side, 0.8)
    np.testing.assert_allclose(world.signal("door_angle"), start, atol=0.05)


def test_hands_that_push_open_an_outward_door():
    world = DexHands("door_open_outward", 1)
    world.reset(seed=0)
    for _ in range(250):
        world.step(push(world, robot0_x=-400.0, robot1_x=-400.0))
    assert (world.signal("door_angle") > 0.8).all()


def test_hands_that_push_close_an_inward_door():
    world = DexHands("door_close_inward", 1)
    world.reset(seed=0)
    for k in range(250):
        inwards = -300.0 if k > 40 else 0.0
        world.step(push(world, robot0_x=-300.0, robot1_x=-300.0, robot0_y=inwards, robot1_y=-inwards))
    right, left = world.signal("handle_position").reshape(2, 3)
    assert right[1] - left[1] < 0.5


def test_hands_that_fly_stay_where_they_are_when_nothing_pushes_them():
    world = DexHands("catch_underarm", 1)
    world.reset(seed=0)
    start = world.signal("hand_position")
    for _ in range(75):
        world.step(push(world))
    np.testing.assert_allclose(world.signal("hand_position"), start, atol=0.02)


def test_a_base_at_full_force_flies_at_the_published_speed():
    world = DexHands("door_open_outward", 1)
    world.reset(seed=0)
    start = world.signal("hand_position")[0, 1]
    for _ in range(30):
        world.step(push(world, robot0_y=833.0))
    assert world.signal("hand_position")[0, 1] - start == pytest.approx(0.14, abs=0.01)  # m, in half a second


@pytest.mark.parametrize("scene", ["over", "catch_underarm", "catch_over2underarm"])
def test_what_is_thrown_falls_and_its_goal_hangs(scene):
    world = DexHands(scene, 2)
    world.reset(seed=0)
    goal = world.signal("goal_position")
    assert goal[0] == pytest.approx(SCENES[scene].prop.goal)
    start = world.signal("object_position")
    assert np.abs(start - SCENES[scene].prop.position).max() <= SCENES[scene].prop.noise
    for _ in range(60):
        world.step(np.tile(world.command_lower, (2, 1)))
    assert (world.signal("object_position")[:, 2] < start[:, 2]).all()
    np.testing.assert_array_equal(world.signal("goal_position"), goal)


def test_an_egg_weighs_what_its_density_says():
    model = DexHands("over", 1).model
    assert model.body("object").mass[0] == pytest.approx(500.0 * 4 / 3 * np.pi * 0.03 * 0.03 * 0.04)


def test_a_pot_rests_on_its_table_within_reach_of_both_hands():
    world = DexHands("lift_underarm", 1)
    world.reset(seed=0)
    for _ in range(60):
        world.step(np.zeros((1, 52)))
    assert world.signal("object_position")[0] == pytest.approx((0.0, -0.65, 0.463), abs=0.005)
    reach = (world.signal("hand_position") - world.signal("handle_position")).reshape(2, 3)
    assert (np.linalg.norm(reach, axis=1) < 0.2).all()
    assert np.linalg.norm(world.signal("goal_position") - world.signal("object_position")) == pytest.approx(0.385,
                                                                                                             abs=0.01)


@pytest.mark.parametrize("kind", ["ball", "block"])
def test_another_thing_can_be_thrown(kind):
    scene = SCENES["over"]
    world = DexHands("over", 1, scene=dataclasses.replace(scene, prop=dataclasses.replace(scene.prop, kind=kind)))
    world.reset(seed=0)
    assert world.model.geom("object").type[0] == {"ball": mujoco.mjtGeom.mjGEOM_SPHERE,
                                                  "block": mujoco.mjtGeom.mjGEOM_BOX}[kind]


def test_a_curriculum_may_give_hooking_fingers_more_room_behind_the_bar():
    scene = dataclasses.replace(SCENES["door_open_inward"], prop=DoubleDoor("inward", "closed", standoff=0.085))
    world = DexHands("door_open_inward", 1, scene=scene)
    bar = world.model.geom("bar_left_front")
    assert bar.pos[0] == pytest.approx(0.085)


@pytest.fixture(scope="module")
def camera():
    world = DexHands("door_open_outward", 2)
    world.reset(seed=0)
    try:
        with Camera(world, 320, 200) as camera:
            yield camera
    except Missing as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("error", [ImportError, AttributeError, ctypes.ArgumentError], ids=lambda error: error.__name__)
def test_a_machine_that_cannot_draw_is_told_what_to_install(monkeypatch, error):
    def gl_context(width, height):
        raise error("'NoneType' object has no attribute 'glGetError'")

    monkeypatch.setitem(sys.modules, "mujoco.none", types.SimpleNamespace(GLContext=gl_context))
    monkeypatch.setenv("MUJOCO_GL", "none")
    with pytest.raises(Missing, match="draw off screen.*install libegl1, libopengl0 and libgl1-mesa-dri"):
        Camera(DexHands("door_open_outward", 1))


def test_pictures_show_the_scene_through_each_camera(camera):
    pictures = [camera.take(name) for name in ("overview", "behind", "close")]
    assert all(picture.shape == (200, 320, 3) and picture.std() > 20 for picture in pictures)
    assert (pictures[0] != pictures[1]).any()
    strip = film_strip(pictures, columns=2)
    assert strip.shape == (406, 646, 3)
    np.testing.assert_array_equal(strip[206:, :320], pictures[2])
    with pytest.raises(Refused, match="one of"):
        camera.take("moon")


def test_pictures_show_the_simulation_that_was_asked_for(camera):
    camera.world.set_joint_position("door_left", 1.2, ids=[1])
    assert (camera.take(row=0) != camera.take(row=1)).any()
    np.testing.assert_array_equal(camera.take(row=0), camera.take(row=0))


def test_fingers_that_hook_behind_the_bars_pull_an_inward_door_open():
    world = DexHands("door_open_inward", 1)
    world.reset(seed=0)

    def reach(x, y, flexed):
        """Servo the palms to (x, +-y, 0.68) m with the last joints of the long fingers at an angle."""
        off = np.array([[x, y, 0.68], [x, -y, 0.68]]) - world.signal("hand_position").reshape(2, 3)
        forces = np.clip(12_000.0 * off, -833.0, 833.0)
        command = push(world, **{f"robot{k}_{axis}": forces[k, i] for k in range(2) for i, axis in enumerate("xyz")})
        for k, turn in ((0, 8.33), (1, -8.33)):
            for finger in ("FF", "MF", "RF", "LF"):
                command[0, world.joint_names.index(f"robot{k}:{finger}J1")] = flexed
            command[0, world.joint_names.index(f"robot{k}:base_torque_z")] = turn if x > 0.16 else 0.0
        world.step(command)

    for _ in range(60):
        reach(0.150, 0.055, 0.0)  # fingers straight, beside the bars
    for _ in range(50):
        reach(0.102, 0.040, 1.57)  # fingertips behind the bars
    for angle in np.arange(0.0, 0.8, 0.006):  # pull back along the path of the handles
        reach(0.102 + 0.4 * np.sin(angle), 0.040 + 0.38 * (1.0 - np.cos(angle)), 1.57)
    assert (world.signal("door_angle") > 0.5).all()
