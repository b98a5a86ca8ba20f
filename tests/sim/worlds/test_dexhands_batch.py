# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A batch is many independent simulations: the bits of one depend only on its seed and its commands."""

from __future__ import annotations

import numpy as np
import pytest

mujoco = pytest.importorskip("mujoco", reason="needs the sim extra")

from mat_ros.core.errors import Refused  # noqa: E402
from mat_ros.worlds import batch  # noqa: E402
from mat_ros.worlds.dexhands import DexHands  # noqa: E402

pytestmark = pytest.mark.sim


def commands(world, steps, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(world.command_lower, world.command_upper, (steps, world.count, len(world.joint_names)))


def run(world, script):
    trace = []
    for command in script:
        world.step(command)
        trace.append(world.measure())
    return np.array(trace)


def started(scene="catch_underarm", count=4, threads=1, seed=7):
    world = DexHands(scene, count, threads)
    world.reset(seed=seed)
    return world


def test_the_same_seed_gives_the_same_bits():
    first, second = started(), started()
    np.testing.assert_array_equal(first.measure(), second.measure())
    script = commands(first, 30)
    np.testing.assert_array_equal(run(first, script), run(second, script))


def test_seeds_simulations_and_episodes_start_differently():
    world = started(seed=7)
    starts = [world.signal("object_position"), started(seed=8).signal("object_position")]
    world.reset()
    starts.append(world.signal("object_position"))
    assert len(np.unique(np.concatenate(starts)[:, 0])) == 3 * world.count


def test_seeding_again_starts_the_same_sequence_of_episodes():
    world = started(seed=7)
    first = [world.measure()]
    world.reset()
    first.append(world.measure())
    world.reset(seed=7)
    again = [world.measure()]
    world.reset()
    again.append(world.measure())
    np.testing.assert_array_equal(first, again)


def test_a_simulation_does_not_depend_on_how_many_there_are():
    many, few = started(count=6), started(count=2)
    script = commands(many, 20)
    np.testing.assert_array_equal(run(many, script)[:, :2], run(few, script[:, :2]))


@pytest.mark.parametrize("scene", ["door_open_outward", "catch_underarm"])
def test_bits_do_not_depend_on_the_number_of_threads(scene):
    one, three = started(scene, threads=1), started(scene, threads=3)
    script = commands(one, 40)
    np.testing.assert_array_equal(run(one, script), run(three, script))


@pytest.mark.parametrize("scene", ["door_close_inward", "lift_underarm"])
def test_bits_do_not_depend_on_whether_simulations_keep_their_own_data(scene, monkeypatch):
    kept = started(scene)
    monkeypatch.setattr(batch, "PERSISTENT_UP_TO", 0)
    shared = started(scene)
    script = commands(kept, 40)
    np.testing.assert_array_equal(run(kept, script), run(shared, script))


@pytest.mark.parametrize("persistent", [True, False])
def test_a_partial_reset_leaves_the_other_simulations_bits_untouched(persistent, monkeypatch):
    monkeypatch.setattr(batch, "PERSISTENT_UP_TO", 512 if persistent else 0)
    world, undisturbed = started(), started()
    script = commands(world, 40)
    for k, command in enumerate(script):
        if k in (10, 25):
            before = world.state()["rows"]
            world.reset(ids=[1, 3])
            np.testing.assert_array_equal(world.state()["rows"][[0, 2]], before[[0, 2]])
            assert (world.state()["rows"][[1, 3]] != before[[1, 3]]).any(axis=1).all()
        world.step(command)
        undisturbed.step(command)
    np.testing.assert_array_equal(world.measure()[[0, 2]], undisturbed.measure()[[0, 2]])
    assert (world.measure()[[1, 3]] != undisturbed.measure()[[1, 3]]).any(axis=1).all()
    assert world.ticks.tolist() == [40, 15, 40, 15]


@pytest.mark.parametrize("persistent", [True, False])
def test_a_partial_step_moves_only_the_named_simulations(persistent, monkeypatch):
    monkeypatch.setattr(batch, "PERSISTENT_UP_TO", 512 if persistent else 0)
    world, whole = started(), started()
    script = commands(world, 20)
    before = world.measure()
    for command in script:
        world.step(command[[0, 2]], ids=[0, 2])
        whole.step(command)
    np.testing.assert_array_equal(world.measure()[[1, 3]], before[[1, 3]])
    np.testing.assert_array_equal(world.measure()[[0, 2]], whole.measure()[[0, 2]])


@pytest.mark.parametrize("persistent", [True, False])
@pytest.mark.parametrize("fresh", [True, False])
def test_a_snapshot_goes_on_bit_for_bit_in_the_same_and_in_a_new_world(fresh, persistent, monkeypatch):
    monkeypatch.setattr(batch, "PERSISTENT_UP_TO", 512 if persistent else 0)
    world = started()
    run(world, commands(world, 15))
    state = world.state()
    rest = commands(world, 15, seed=1)

    def carry_on(world):
        measured = [world.measure(), run(world, rest)[-1]]
        world.reset(ids=[0])
        return measured + [run(world, rest)[-1]]

    expected = carry_on(world)
    other = DexHands("catch_underarm", 4) if fresh else world
    other.set_state(state)
    for want, got in zip(expected, carry_on(other), strict=True):
        np.testing.assert_array_equal(got, want)


def test_a_snapshot_carries_varied_parameters():
    world = started("door_open_outward", count=2)
    world.vary("geom_friction")[1] *= 0.5
    world.vary("body_mass")[1] *= 1.5
    world.settle_parameters()
    state, script = world.state(), commands(world, 60)
    expected = run(world, script)
    assert (expected[-1, 0] != run(started("door_open_outward", count=2), script)[-1, 1]).any()
    other = DexHands("door_open_outward", 2)
    other.set_state(state)
    np.testing.assert_array_equal(run(other, script), expected)


def test_terms_name_every_signal_once_with_its_unit():
    world = started("door_open_outward", count=1)
    names = [(term.name, element) for term in world.terms for element in term.elements]
    assert len(names) == len(set(names)) == world.measure().shape[1]
    units = {term.name: term.unit for term in world.terms}
    assert units["joint_position"] == "rad" and units["joint_effort"] == "N*m" and units["fingertip_force"] == "N"


def test_the_last_command_is_measured_as_a_share_of_its_range():
    world = started("door_open_outward", count=2)
    assert not world.signal("last_command").any()
    world.step(np.stack([world.command_lower, world.command_upper]))
    np.testing.assert_allclose(world.signal("last_command"), [[-1.0] * 52, [1.0] * 52])


def test_quaternions_are_unit_and_end_with_w():
    world = started("over", count=3)
    run(world, commands(world, 10))
    for term in ("fingertip_orientation", "hand_orientation", "object_orientation", "object_from_goal"):
        quaternions = world.signal(term).reshape(-1, 4)
        np.testing.assert_allclose(np.linalg.norm(quaternions, axis=1), 1.0)
    assert next(t for t in world.terms if t.name == "object_orientation").elements[-1] == "object.w"
    data = world.materialise(0)[1]
    np.testing.assert_allclose(world.signal("object_orientation")[0, 3], data.body("object").xquat[0])


def test_velocities_are_those_that_move_the_positions():
    world = started("door_open_outward", count=1)
    run(world, commands(world, 10))
    model, data = world.materialise(0)
    tip = model.body("robot0:ffdistal").id
    along, about = np.zeros((2, 3, model.nv))
    mujoco.mj_jac(model, data, along, about, data.xpos[tip], tip)
    np.testing.assert_allclose(world.signal("fingertip_velocity")[0, :3], along @ data.qvel, atol=1e-9)
    np.testing.assert_allclose(world.signal("fingertip_angular_velocity")[0, :3], about @ data.qvel, atol=1e-9)


def test_a_pressed_fingertip_feels_the_force_in_its_own_frame():
    world = started("door_open_outward", count=1)
    push = np.where([name.endswith("force_x") for name in world.joint_names], -200.0, 0.0)[None]
    for _ in range(120):
        world.step(push)
    force = world.signal("fingertip_force").reshape(2, 5, 3)
    assert np.linalg.norm(force[0, :4], axis=1).max() > 0.5  # N, on the long fingers that touch the leaf
    # The leaf pushes the finger from the tip towards the hand, along -z of the last link.
    strongest = force[0, :4][np.argmax(np.linalg.norm(force[0, :4], axis=1))]
    assert strongest[2] < 0.0


def test_mistakes_are_refused_with_what_was_expected():
    world = started("over", count=2)
    with pytest.raises(Refused, match=r"expected an array \(simulation, joint\) of \(2, 40\), got \(2, 52\)"):
        world.step(np.zeros((2, 52)))
    with pytest.raises(Refused, match="ids in"):
        world.reset(ids=[2])
    with pytest.raises(Refused, match="ascending"):
        world.reset(ids=[1, 0])
    with pytest.raises(Refused, match="one of"):
        world.signal("door_angle")
    with pytest.raises(Refused, match="no such name"):
        world.joint_position("robot2:FFJ3")
    with pytest.raises(Refused, match="door_open_outward"):
        DexHands("door", 1)


def test_a_simulation_that_blew_up_is_told_by_its_warnings_until_it_is_reset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes a log beside the program
    world = started("over", count=2)
    command = np.zeros((2, 40))
    command[1, 3] = np.nan
    world.step(command)
    assert world.warnings().tolist() == [0, 2]
    world.reset(ids=[1])
    world.step(np.zeros((2, 40)))
    assert world.warnings().tolist() == [0, 0]
