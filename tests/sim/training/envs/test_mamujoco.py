# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The running robots: the same physics and rewards as Gymnasium's, split by name."""

from __future__ import annotations

import io

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="needs the sim extra")
pytest.importorskip("gymnasium", reason="needs the train extra")

from mat_ros.core.robot.observe import Observer
from training.envs import make
from training.envs.robot import RobotEnvironment

pytestmark = pytest.mark.sim

# task -> (agents, joints per agent, observation of an agent without neighbours)
SPLITS = {
    "halfcheetah_6x1": (6, 1, 2 + 5 + 6), "halfcheetah_2x3": (2, 3, 6 + 5 + 2), "halfcheetah_3x2": (3, 2, 4 + 5 + 3),
    "ant_2x4": (2, 4, 8 + 11 + 2), "ant_4x2": (4, 2, 4 + 11 + 4), "ant_8x1": (8, 1, 2 + 11 + 8),
    "walker2d_2x3": (2, 3, 6 + 5 + 2), "walker2d_3x2": (3, 2, 4 + 5 + 3), "walker2d_6x1": (6, 1, 2 + 5 + 6),
    "hopper_3x1": (3, 1, 2 + 5 + 3), "humanoid_17x1": (17, 1, 2 + 11 + 17),
}
GYMNASIUM = {"halfcheetah_6x1": "HalfCheetah-v5", "hopper_3x1": "Hopper-v5", "walker2d_6x1": "Walker2d-v5"}


def random_actions(env: RobotEnvironment, ticks: int, seed: int = 0) -> np.ndarray:
    spec = env.spec
    shape = (ticks, env.count, spec.agent_count, spec.act_dim)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize("task", sorted(GYMNASIUM))
def test_each_step_equals_gymnasiums_own_robot(task: str) -> None:
    gymnasium = pytest.importorskip("gymnasium")
    pytest.importorskip("imageio", reason="gymnasium's MuJoCo tasks need it")
    env = make(task, 1)
    env.reset(3)
    theirs = gymnasium.make(GYMNASIUM[task]).unwrapped
    theirs.reset(seed=0)
    theirs.set_state(env.world.materialise(0)[1].qpos.copy(), env.world.materialise(0)[1].qvel.copy())
    gear = np.array([joint.scale for joint in env.robot.joints])
    for action in random_actions(env, 25):
        _, reward, terminated, _, _ = env.step(action)
        _, their_reward, their_end, _, _ = theirs.step(env.action_map.to_command(action[0]) / gear)
        assert bool(terminated[0]) == their_end
        if their_end:
            return
        _, data = env.world.materialise(0)
        np.testing.assert_allclose(data.qpos, theirs.data.qpos, atol=1e-6)
        np.testing.assert_allclose(data.qvel, theirs.data.qvel, atol=1e-6)
        assert reward[0] == pytest.approx(their_reward, abs=1e-5)


@pytest.mark.parametrize("task", sorted(SPLITS))
def test_every_split_names_each_motor_once_and_gives_agents_what_they_should_see(task: str) -> None:
    env = make(task, 2)
    agents, joints, obs_dim = SPLITS[task]
    model = env.world.model
    motors = [model.joint(model.actuator(k).trnid[0]).name for k in range(model.nu)]
    named = [joint for agent in env.robot.agents(env.spec.split) for joint in agent.joints]
    assert sorted(named) == sorted(motors) and list(env.world.joint_names) == motors
    assert (env.spec.agent_count, env.spec.act_dim, env.spec.obs_dim) == (agents, joints, obs_dim)
    assert env.reset(0).shape == (2, agents, obs_dim)


def test_the_action_of_an_agent_moves_the_joint_that_it_sees() -> None:
    env = make("halfcheetah_6x1", 1)
    env.reset(0)
    for i, agent in enumerate(env.robot.agents("6x1")):
        actions = np.zeros((1, 6, 1), np.float32)
        actions[0, i] = 1.0
        command = env.action_map.to_command(actions)[0]
        moved = [env.world.joint_names[k] for k in np.flatnonzero(command)]
        assert moved == list(agent.joints)


def test_the_legacy_switch_swaps_feet_and_thighs() -> None:
    env = make("halfcheetah_6x1", 1, legacy=True)
    actions = np.zeros((1, 6, 1), np.float32)
    actions[0, env.spec.agents.index("bfoot")] = 1.0
    moved = np.flatnonzero(env._command(actions)[0])
    assert [env.world.joint_names[k] for k in moved] == ["bthigh"]


def test_legacy_observations_are_standardised_over_their_own_features() -> None:
    obs = make("halfcheetah_6x1", 3, legacy=True).reset(0)
    np.testing.assert_allclose(obs.mean(-1), 0.0, atol=1e-6)
    np.testing.assert_allclose(obs.std(-1), 1.0, atol=1e-5)


def test_more_hops_show_neighbours_and_full_shows_everybody() -> None:
    seen = [make("halfcheetah_6x1", 1, hops=hops).spec for hops in (0, 1, 2, -1)]
    assert [spec.obs_dim for spec in seen] == [13, 17, 21, 23]  # two numbers per joint seen by the agent that sees most
    layout = seen[1].layout
    assert layout is not None
    foot = next(view for view in layout.views if view.agent == "bfoot")
    assert [part.elements for part in foot.parts if part.term == "joint_position"] == [("bfoot",), ("bshin",)]


def test_the_time_limit_truncates_and_does_not_terminate() -> None:
    env = make("halfcheetah_6x1", 1)
    env.reset(0)
    idle = np.zeros((1, 6, 1), np.float32)
    for _ in range(999):
        _, _, terminated, truncated, _ = env.step(idle)
        assert not terminated[0] and not truncated[0]
    before = env.world.measure()
    obs, _, terminated, truncated, info = env.step(idle)
    assert truncated[0] and not terminated[0] and info["episode_length"].tolist() == [1000]
    assert not np.array_equal(info["final_obs"][0], obs[0]) and not np.array_equal(before, env.world.measure())


def test_a_fallen_robot_terminates_and_only_its_episode_ends() -> None:
    env = make("hopper_3x1", 2)
    env.reset(0)
    actions = np.zeros((2, 3, 1), np.float32)
    actions[0] = 1.0
    for _ in range(200):
        _, _, terminated, truncated, info = env.step(actions)
        if terminated.any():
            break
    assert terminated[0] and not truncated.any() and info["ended"].tolist() == np.flatnonzero(terminated).tolist()


def test_the_same_seed_gives_the_same_episode_whatever_the_batch() -> None:
    small, large = make("ant_4x2", 2), make("ant_4x2", 5)
    np.testing.assert_array_equal(small.reset(7), large.reset(7)[:2])
    for action in random_actions(large, 5):
        np.testing.assert_array_equal(small.step(action[:2])[0], large.step(action)[0][:2])
    assert not np.array_equal(make("ant_4x2", 2).reset(8), small.reset(7))


def test_a_part_of_a_batch_elsewhere_lives_through_the_same_episodes() -> None:
    whole, part = make("halfcheetah_6x1", 4), make("halfcheetah_6x1", 2, first=2)
    np.testing.assert_array_equal(whole.reset(1)[2:], part.reset(1))


@pytest.mark.parametrize(("task", "options"), [
    ("halfcheetah_3x2", {}), ("halfcheetah_3x2", {"faults": "random_joint_off", "fault_flag": True}),
    ("humanoid_17x1", {}),  # rewarded for its centre of mass, which is no part of MuJoCo's state
])
def test_a_snapshot_continues_bit_for_bit(task: str, options: dict) -> None:
    env, other = make(task, 3, **options), make(task, 3, **options)
    env.reset(1)
    other.reset(99)
    actions = random_actions(env, 60)
    for action in actions[:20]:
        env.step(action)
    other.restore(env.snapshot())
    for action in actions[20:]:
        for mine, theirs in zip(env.step(action)[:4], other.step(action)[:4], strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_a_dead_motor_gives_no_torque_and_its_neighbours_obey() -> None:
    whole, broken = make("halfcheetah_6x1", 1), make("halfcheetah_6x1", 1, faults="bthigh:off")
    whole.reset(0)
    broken.reset(0)
    for action in random_actions(whole, 5):
        silent = action.copy()
        silent[:, whole.spec.agents.index("bthigh")] = 0.0
        np.testing.assert_allclose(whole.step(silent)[0], broken.step(action)[0], atol=1e-6)


def test_the_chain_is_told_the_truth_and_flags_say_who_is_broken() -> None:
    env = make("halfcheetah_6x1", 2, faults="fshin:off", information="truth", fault_flag=True)
    obs = env.reset(0)
    fshin = env.spec.agents.index("fshin")
    flags = obs[:, :, 7]  # behind the joint's two numbers and the root's five
    assert flags[:, fshin].tolist() == [1.0, 1.0] and np.delete(flags, fshin, 1).sum() == 0.0
    share = env.share()
    assert share[:, fshin].max() == 0.0 and np.delete(share, fshin, 1).min() == 1.0
    assert not env.spec.normalise_mask[:, 7].any()


def test_faults_of_an_episode_do_not_depend_on_what_was_simulated_before() -> None:
    first, second = (make("halfcheetah_6x1", 3, faults="random_joint_off") for _ in range(2))
    first.reset(0)
    second.reset(0)
    for action in random_actions(first, 10):
        first.step(action)
    assert [s.faults for s in first._faults.schedules] == [s.faults for s in second._faults.schedules]


def test_the_layout_of_a_task_is_all_that_deployment_needs_to_observe() -> None:
    env = make("walker2d_2x3", 2)
    obs = env.reset(5)
    assert env.spec.layout is not None
    np.testing.assert_array_equal(Observer(env.spec.layout).observe(env.world.measure()), obs)


def test_an_unknown_task_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="expected a name that begins with one of"):
        make("elephant_4x1", 1)
    with pytest.raises(ValueError, match="split of robot hopper: expected one of"):
        make("hopper_9x9", 1)


def test_pettingzoo_and_gymnasium_accept_the_adapters() -> None:
    pytest.importorskip("pettingzoo")
    from pettingzoo.test import parallel_api_test

    from training.envs.adapters import ParallelTask, VectorTask

    parallel_api_test(ParallelTask("halfcheetah_2x3"), num_cycles=30)
    vector = VectorTask("hopper_3x1", 3)
    obs, _ = vector.reset(seed=1)
    assert vector.observation_space.contains(obs)
    for _ in range(150):
        obs, reward, terminated, _, info = vector.step(vector.action_space.sample())
        assert vector.observation_space.contains(obs) and reward.shape == (3,)
        if terminated.any():
            assert info["_final_obs"].tolist() == terminated.tolist()
            assert info["final_obs"][np.flatnonzero(terminated)[0]].shape == obs[0].shape
            return
    pytest.fail("expected a random hopper to fall within 150 ticks")


def test_the_table_of_tasks_has_each_split_and_the_reason_where_a_task_cannot_open() -> None:
    from rich.console import Console

    from training.envs.__main__ import table

    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table(["hopper", "nowhere:Task"]))
    text = console.export_text()
    assert "3x1: 3 x 1, 10" in text and "importable module:Class" in text
