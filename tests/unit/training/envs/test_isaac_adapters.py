# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The adapters of Isaac Gym and Isaac Lab keep our protocol, against stand-ins that keep the documented contracts."""

import socket
import sys
import threading

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("mujoco", reason="names and splits come from our own task")

from mat_ros.core.errors import Missing, Refused
from support import isaac_stand_ins
from support.places import TESTS
from training.envs import make
from training.envs.isaac import server
from training.envs.isaac.isaac_gym import PYTHON, IsaacGymHands
from training.envs.isaac.isaac_lab import IsaacLabTeam

pytestmark = pytest.mark.sim
FACTORY = "support.isaac_stand_ins:bidexhands"


@pytest.fixture
def hands(monkeypatch):
    """Return three copies at finger level. A real process serves them from the stand-in."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    found = IsaacGymHands("door_open_outward_finger", 3, python=sys.executable, factory=FACTORY)
    yield found
    found.close()


def actions_of(environment, **by_joint):
    """Return actions (3, agent, act_dim) that are zero except for some joints."""
    ours = make(environment.spec.task.removeprefix("isaacgym_"), 1)
    found = np.zeros((3, *environment.spec.act_mask.shape))
    for i, agent in enumerate(ours.robot.agents(environment.spec.split)):
        for joint, value in by_joint.items():
            if joint in agent.joints:
                found[:, i, agent.joints.index(joint)] = value
    return found


def test_isaac_gym_hands_have_the_shape_of_our_own_task_and_obey_by_name(hands):
    ours = make("door_open_outward_finger", 3).spec
    assert (hands.spec.agents, hands.spec.obs_dim, hands.spec.act_dim) == (ours.agents, ours.obs_dim, ours.act_dim)
    obs = hands.reset(0)
    assert obs.shape == (3, 12, 218 + 12)
    assert obs.dtype == np.float32
    np.testing.assert_array_equal(obs[1, :, 218:], np.eye(12))
    command = actions_of(hands, **{"robot0:base_force_x": 0.25, "robot1:THJ0": -0.5, "robot1:FFJ3": 3.0})
    obs, reward, *_ = hands.step(command)
    last = obs[:, :, 173:199]  # columns of the agent's own hand
    np.testing.assert_allclose(last[:, :6, 0], 0.25)  # the force of the base comes first
    np.testing.assert_allclose(last[:, 6:, 25], -0.5)  # the last joint of the thumb comes last
    np.testing.assert_allclose(last[:, 6:, 8], 1.0)  # clipped
    np.testing.assert_allclose(reward, 0.75)
    assert obs.max() == 5.0  # observations are clipped as published


def test_a_time_limit_is_told_from_a_failure_and_a_goal_that_was_reached_is_reported():
    environment, ends = serve_here(isaac_stand_ins.MultiVecTask(3, horizon=4))
    environment.reset(0)
    still, push = actions_of(environment), actions_of(environment, **{"robot0:base_force_x": 1.0})
    ends.failing[1] = True
    _, _, terminated, truncated, info = environment.step(push)  # the second tick: the reset took one
    assert (terminated.tolist(), truncated.tolist()) == ([False, True, False], [False] * 3)
    assert info["ended"].tolist() == [1]
    assert info["reached"].tolist() == [True]
    assert info["episode_length"].tolist() == [1]
    ends.failing[1] = False
    environment.step(still)
    _, _, terminated, truncated, info = environment.step(still)
    assert (terminated.tolist(), truncated.tolist()) == ([False] * 3, [True, False, True])
    np.testing.assert_allclose(info["episode_return"], 1.0)
    assert info["final_obs"].shape == (2, 12, 230)
    obs, *_ = environment.step(still)
    assert obs[:, 0, 0].tolist() == [1.0, 3.0, 1.0]  # the counters of the ended copies began again


def serve_here(stand_in):
    """Serve a stand-in from a thread, so that a test can change it."""
    environment = IsaacGymHands("door_open_outward_finger", stand_in.num_envs, python=sys.executable)
    ours, theirs = socket.socketpair()
    threading.Thread(target=server.serve, args=(server.Hands(stand_in), theirs), daemon=True).start()
    assert server.receive(ours)[0] == "ready"
    environment._connection = ours
    return environment, stand_in


def test_a_reset_really_starts_every_copy_anew(hands):
    hands.reset(0)
    for _ in range(3):
        obs, *_ = hands.step(actions_of(hands))
    assert obs[:, 0, 0].tolist() == [4.0] * 3
    assert hands.reset(0)[:, 0, 0].tolist() == [1.0] * 3


def test_a_task_of_another_size_is_refused(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    lift = IsaacGymHands("door_open_outward_hand", 2, python=sys.executable, factory="support.isaac_stand_ins:small")
    with pytest.raises(Refused, match="horizon"):
        lift.reset(0)
    lift.close()


def test_without_isaac_gym_the_way_to_it_is_named(monkeypatch):
    monkeypatch.delenv(PYTHON, raising=False)
    with pytest.raises(Missing, match=PYTHON):
        make("isaacgym_over_hand", 1).reset(0)
    real = IsaacGymHands("over_hand", 1, python=sys.executable)
    with pytest.raises(Missing, match="No module named 'isaacgym'"):
        real.reset(0)
    real.close()


def test_the_process_ends_with_its_environment(hands):
    hands.reset(0)
    process = hands._process
    hands.close()
    assert process.poll() == 0


def test_an_isaac_lab_team_is_padded_and_masked():
    team = IsaacLabTeam(isaac_stand_ins.DirectMarl(4), "isaaclab_stand-in")
    assert team.spec.agents == ("right_hand", "left_hand", "referee")
    assert team.spec.act_mask.tolist() == [[True] * 3, [True] * 3, [True, False, False]]
    assert team.spec.obs_mask.sum(axis=1).tolist() == [7, 7, 4]
    obs = team.reset(3)
    assert (obs.shape, obs.dtype) == ((4, 3, 7), np.float32)
    assert team.environment.seeds == [3]
    team.step(np.full((4, 3, 3), 2.0))
    assert team.environment.given["referee"].tolist() == [[1.0]] * 4


def test_an_isaac_lab_copy_restarts_when_all_agents_failed_or_their_time_is_up():
    lab = isaac_stand_ins.DirectMarl(3)
    team = IsaacLabTeam(lab, "isaaclab_stand-in")
    team.reset(0)
    still = np.zeros((3, 3, 3))
    lab.failing["referee"][1] = True  # one failed agent alone ends nothing
    _, reward, terminated, truncated, info = team.step(still)
    np.testing.assert_allclose(reward, 1.0)  # the mean of 0, 1 and 2
    assert not info["ended"].size
    for agent in lab.possible_agents:
        lab.failing[agent][1] = True
    obs, _, terminated, truncated, info = team.step(still)
    assert (terminated.tolist(), truncated.tolist()) == ([False, True, False], [False] * 3)
    assert obs[:, 0, 0].tolist() == [2.0, 0.0, 2.0]  # first observation of the new episode
    assert info["final_obs"][0, 0, 0] == 1.0  # last observation of the old episode that was received
    for agent in lab.possible_agents:
        lab.failing[agent][1] = False
    for _ in range(3):
        _, _, terminated, truncated, info = team.step(still)
    assert (terminated.tolist(), truncated.tolist()) == ([False] * 3, [True, False, True])
    assert info["episode_length"].tolist() == [5, 5]
    np.testing.assert_allclose(info["episode_return"], 5.0)


def test_without_isaac_lab_that_is_said():
    with pytest.raises(Missing, match="Isaac Lab"):
        make("isaaclab_Isaac-Shadow-Hand-Over-Direct-v0", 1)
