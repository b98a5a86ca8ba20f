# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The tasks of two hands: what the agents see, how they are grouped, and what they are paid for."""

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="needs the sim extra")

from mat_ros.core.errors import Refused
from mat_ros.worlds.dexhands import DexHands
from mat_ros.worlds.task import find_task
from mat_ros.worlds.tasks.doors import DoorCloseOutward, DoorOpenOutward
from mat_ros.worlds.tasks.hands import distances_to
from training.envs import make
from training.envs.curriculum import FIRST, STEP, demonstrate

pytestmark = pytest.mark.sim

# task: (observation of a hand, actions of a hand, ticks), as published
SIZES = {
    "door_open_outward": (218, 26, 250), "door_open_inward": (218, 26, 250), "door_close_inward": (218, 26, 250),
    "door_close_outward": (218, 26, 250), "over": (211, 20, 75), "catch_underarm": (223, 26, 75),
    "catch_over2underarm": (223, 26, 75), "lift_underarm": (218, 26, 500),
}
TASKS, SPLITS = tuple(SIZES), ("hand", "finger", "joint")
# The published order of a flying hand's observation: (what, how many numbers)
HAND = (("joint_position", 24), ("joint_velocity", 24), ("joint_effort", 24), ("fingertip motion", 65),
        ("fingertip touch", 30), ("hand_position", 3), ("hand_euler", 3), ("last_command", 26))
DOOR = (("object_position", 3), ("object_orientation", 4), ("object_velocity", 3), ("object_angular_velocity", 3),
        ("handle_position", 3), ("handle_position", 3))

FAULT_MEMORY = ("reported", "obeyed", "past_commands", "sensor_memory")  # of a snapshot: what broken things depend on


def columns(environment, agent):
    """Name every measured column of an agent's observation: (term, element)."""
    layout = environment.spec.layout
    elements = {term.name: term.elements for term in layout.terms}
    return [(part.term, element) for part in layout.views[agent].parts
            for element in part.elements or elements[part.term]]


@pytest.mark.parametrize("task", TASKS)
def test_a_hand_sees_and_moves_as_much_as_published(task):
    spec = make(f"{task}_hand", 2).spec
    assert (spec.obs_dim, spec.act_dim, spec.horizon) == SIZES[task]
    assert spec.agents == ("robot0", "robot1")


def test_the_terms_of_a_door_observation_come_in_the_published_order():
    groups = {"fingertip_position": "fingertip motion", "fingertip_orientation": "fingertip motion",
              "fingertip_velocity": "fingertip motion", "fingertip_angular_velocity": "fingertip motion",
              "fingertip_force": "fingertip touch", "fingertip_torque": "fingertip touch"}
    for agent, hand in enumerate(("robot0", "robot1")):
        seen = columns(make("door_open_outward_hand", 1), agent)
        place = 0
        for what, size in (*HAND, *DOOR):
            block = seen[place:place + size]
            assert {groups.get(term, term) for term, _ in block} == {what}
            if (what, size) in HAND:
                assert all(element.startswith(f"{hand}:") for _, element in block)
            place += size
        assert place == len(seen) == 218
        # one fingertip: position, quaternion x y z w, velocity, angular velocity
        assert [element.split(".")[1] for _, element in seen[72:85]] == [*"xyz", *"xyzw", *"xyz", *"xyz"]
        assert [element.split(".")[0] for _, element in seen[212:218]] == ["handle_left"] * 3 + ["handle_right"] * 3


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("split", SPLITS)
def test_every_split_moves_the_same_joints_in_the_same_way(task, split):
    whole, parts = make(f"{task}_hand", 1), make(f"{task}_{split}", 1)
    command = np.random.default_rng(0).uniform(whole.world.command_lower, whole.world.command_upper)
    regrouped = parts.action_map.to_command(parts.action_map.to_actions(command))
    np.testing.assert_allclose(regrouped, command, atol=1e-9)
    named = [joint for agent in parts.robot.agents(split) for joint in agent.joints]
    assert sorted(named) == sorted(whole.world.joint_names)


def test_a_hand_has_six_fingers_of_eight_three_three_three_four_and_five_motors():
    agents = make("door_open_outward_finger", 1).robot.agents("finger")
    assert [len(agent.joints) for agent in agents] == [8, 3, 3, 3, 4, 5] * 2


@pytest.mark.parametrize("task", TASKS)
def test_the_robot_file_has_the_limits_of_the_world_and_actions_span_them(task):
    environment = make(f"{task}_hand", 1)
    world, joints = environment.world, environment.robot.joints
    np.testing.assert_allclose([j.lower for j in joints], world.command_lower, atol=1e-9)
    np.testing.assert_allclose([j.upper for j in joints], world.command_upper, atol=1e-9)
    ends = environment.action_map.to_command(np.ones((2, environment.spec.act_dim)))
    np.testing.assert_allclose(ends, world.command_upper, atol=1e-6)


def test_the_last_action_is_seen_as_it_was_given():
    environment = make("door_open_outward_hand", 1)
    environment.reset(0)
    action = np.random.default_rng(1).uniform(-1, 1, (1, 2, 26))
    obs, *_ = environment.step(action)
    np.testing.assert_allclose(obs[0, :, 173:199], action[0], atol=1e-5)


def test_the_compact_layout_holds_nothing_that_a_robot_cannot_measure():
    seen = {term for term, _ in columns(make("door_open_outward_finger", 1, observation="compact"), 0)}
    assert seen == {"joint_position", "joint_velocity", "hand_position", "hand_orientation", "last_command",
                    "handle_position", "door_angle"}


def test_the_compact_layout_does_not_jump_when_a_hand_at_a_door_turns_a_little():
    environment = make("door_open_outward_hand", 64, observation="compact", randomisation="")
    rng = np.random.default_rng(0)
    before = environment.reset(0)
    for _ in range(20):
        after, *_ = environment.step(rng.uniform(-1, 1, (64, 2, 26)))
        pose = slice(48, 55)  # behind 24 joint positions and 24 velocities: where the hand is and how it is turned
        assert np.abs(after[..., pose] - before[..., pose]).max() < 0.1
        before = after


def door_world(angle, task="door_open_outward"):
    world = DexHands(task, 1)
    world.reset(seed=0)
    for side in ("door_right", "door_left"):
        world.set_joint_position(side, angle)
    return world


def test_the_door_reward_is_the_published_formula_worked_out_by_hand():
    world = door_world(0.4)
    right, left = np.split(world.signal("grasp_position").reshape(2, 5, 3), 2)
    handles = world.signal("handle_position").reshape(2, 3)
    by_hand = [sum(float(np.linalg.norm(tip - handle)) for tip in tips[0])
               for tips, handle in zip((right, left), handles, strict=True)]
    outcome = DoorOpenOutward().judge(world)
    assert min(by_hand) > 0.5  # the hands are not near, so the opening does not count yet
    np.testing.assert_allclose(outcome.reward, 2.0 - sum(by_hand))
    np.testing.assert_allclose([distances_to(world, k, handles[None, k])[0] for k in (0, 1)], by_hand)


def test_hands_near_their_handles_are_paid_for_the_opening():
    class Near(DexHands):
        def signal(self, term):
            found = super().signal(term)
            return np.repeat(super().signal("handle_position").reshape(1, 2, 1, 3), 5, axis=2).reshape(1, -1) \
                if term == "grasp_position" else found

    world = Near("door_open_outward", 1)
    world.reset(seed=0)
    world.set_joint_position("door_right", 1.4)
    world.set_joint_position("door_left", 1.4)
    apart = abs(np.diff(world.signal("handle_position").reshape(2, 3)[:, 1])[0])
    opened, closed = DoorOpenOutward().judge(world), DoorCloseOutward().judge(world)
    np.testing.assert_allclose(opened.reward, 2.0 + 2.0 * apart)
    np.testing.assert_allclose(closed.reward, 6.0 + 1.0 - 2.0 * apart)
    assert opened.done.all()
    assert not closed.done.any()


@pytest.mark.parametrize(("angle", "done"), [(0.0, False), (0.4, False), (1.4, True)])
def test_a_door_is_open_when_its_handles_are_half_a_metre_apart(angle, done):
    assert DoorOpenOutward().judge(door_world(angle)).done[0] == done


def test_an_egg_at_its_goal_is_caught_and_one_at_the_start_is_not():
    from mat_ros.worlds.tasks.toss import Over

    world = DexHands("over", 1)
    world.reset(seed=0)
    outcome = Over().judge(world)
    distance = np.linalg.norm(world.signal("object_position") - world.signal("goal_position"))
    assert not outcome.done[0]
    assert outcome.reward[0] <= np.exp(-0.2 * 50.0 * distance)


@pytest.mark.parametrize(("task", "options"), [
    ("door_open_outward_finger", {}), ("catch_underarm_hand", {}), ("lift_underarm_hand", {}),
    ("door_open_outward_finger", {"faults": "robot0:FFJ2:off"}), ("catch_underarm_hand", {"randomisation": "gap"}),
])
def test_the_same_seed_gives_the_same_episode_and_a_snapshot_goes_on_bit_for_bit(task, options):
    rng = np.random.default_rng(3)
    first, second = make(task, 3, **options), make(task, 3, **options)
    assert first.reset(5).tobytes() == second.reset(5).tobytes()
    actions = rng.uniform(-1, 1, (40, 3, first.spec.agent_count, first.spec.act_dim))
    for k, action in enumerate(actions):
        a = first.step(action)
        if k == 20:
            second.restore(first.snapshot())
        elif k > 20:
            b = second.step(action)
            for one, other in zip(a[:4], b[:4], strict=True):
                assert one.tobytes() == other.tobytes()


def test_a_delayed_copy_sees_what_was_measured_then_though_the_episodes_of_others_end(tmp_path):
    (tmp_path / "delay.yaml").write_text(
        "- {what: observation_delay, how: absolute, distribution: uniform, range: [2, 2]}\n")
    late = make("door_open_outward_hand", 4, randomisation=str(tmp_path / "delay.yaml"))
    prompt = make("door_open_outward_hand", 4)
    late.reset(0)
    seen = [prompt.reset(0)]
    actions = np.random.default_rng(0).normal(0.0, 0.3, (30, 4, 2, 26))
    for tick, action in enumerate(actions):
        if tick % 5 == 3:  # the time of all copies but the first is up
            for environment in (late, prompt):
                environment.world.ticks[1:] = environment.task.horizon - 1
        obs, *_, info = late.step(action)
        seen.append(prompt.step(action)[0])
        assert len(info["ended"]) == (3 if tick % 5 == 3 else 0)
        np.testing.assert_array_equal(obs[0], seen[max(0, tick - 1)][0])
        begun = tick - (tick - 3) % 5 if tick >= 3 else -1  # the tick within which the others' episodes began
        np.testing.assert_array_equal(obs[1:], seen[max(begun + 1, tick - 1)][1:])


@pytest.mark.parametrize("task", ["catch_underarm_hand", "hopper_3x1"])
def test_a_snapshot_from_before_whole_worlds_remembered_faults_goes_on_bit_for_bit(task):
    first, second = make(task, 3), make(task, 3)
    first.reset(5)
    second.reset(6)
    rng = np.random.default_rng(3)
    actions = rng.uniform(-1, 1, (60, 3, first.spec.agent_count, first.spec.act_dim))
    for action in actions[:30]:
        first.step(action)
    kept = first.snapshot()
    older = {name: kept[name] for name in kept if name not in FAULT_MEMORY}
    assert len(older) == len(kept) - len(FAULT_MEMORY)
    second.restore(older)
    for action in actions[30:]:
        for one, other in zip(first.step(action)[:4], second.step(action)[:4], strict=True):
            assert one.tobytes() == other.tobytes()


def test_an_episode_is_cut_off_at_its_horizon_and_that_is_no_failure():
    environment = make("over_hand", 2)
    environment.reset(0)
    still = np.zeros((2, 2, 20))
    ended = []
    for tick in range(80):
        _, _, terminated, truncated, info = environment.step(still)
        ended += [(tick, bool(terminated[row]), bool(truncated[row])) for row in info["ended"]]
        if ended:
            break
    tick, terminated, truncated = ended[0]
    assert terminated != truncated
    assert truncated == (tick == 74)
    assert info["final_obs"].shape == (len(info["ended"]), 2, 211)
    assert set(info) >= {"reached", "success", "episode_return", "episode_length"}


def test_a_finger_that_is_off_swings_freely_and_its_successors_can_be_told():
    whole = make("door_open_outward_finger", 1)
    broken = make("door_open_outward_finger", 1, faults="robot0:FFJ2:off", information="truth")
    curl = np.zeros((1, 12, 8))
    curl[0, 1] = 1.0  # bend the index finger of the first hand
    for environment in (whole, broken):
        environment.reset(0)
        for _ in range(30):
            environment.step(curl)
    bent = [environment.world.joint_position("robot0:FFJ2")[0] for environment in (whole, broken)]
    assert bent[0] > 0.5
    assert abs(bent[1]) < 0.1
    assert (broken.spec.information, broken.spec.faults) == ("truth", "robot0:FFJ2:off")
    told = broken.share()[0]
    agents = [agent.joints for agent in broken.robot.agents("finger")]
    assert told[1, agents[1].index("robot0:FFJ2")] == 0.0
    assert told.sum() == told.size - 1


def test_unknown_tasks_splits_and_options_are_refused():
    with pytest.raises(Refused, match="over_hand"):
        make("door_kick_hand", 1)
    with pytest.raises(Refused, match="split of robot dexhands_over: expected one of .*'hand'"):
        make("over_elbow", 1)
    with pytest.raises(Refused, match="agent dexhands_over: expected joints of one hand"):
        make("over_all", 1)
    with pytest.raises(Refused, match="observation"):
        make("over_hand", 1, observation="x-ray")
    with pytest.raises(Refused, match="reward"):
        make("over_hand", 1, reward="fame")


@pytest.mark.parametrize("task", ["door_open_inward", "door_close_outward"])
def test_a_demonstration_takes_hold_of_the_bars_and_moves_the_leaves_without_being_done_at_once(task):
    moments = demonstrate(find_task(task)[0]())
    world = DexHands(task, len(moments))
    world.begin_at(moments, 1.0)
    world.reset(seed=0)
    outcome = find_task(task)[0]().judge(world)
    assert not outcome.done.any()
    assert not outcome.failed.any()
    assert len(np.unique(world.positions, axis=0)) > len(moments) / 3  # episodes begin all along the way
    assert np.ptp(world.signal("door_angle")) > 0.3
    held = [distances_to(world, hand, world.signal("handle_position").reshape(-1, 2, 3)[:, hand]) for hand in (0, 1)]
    assert np.min(held) < 0.25  # m, of five fingertips together


def test_the_script_of_a_throw_brings_the_object_to_the_other_hand_in_most_episodes():
    environment = make("over_hand", 200)
    environment.reset(5)
    arrived, started = np.zeros(200, dtype=bool), np.ones(200, dtype=bool)  # of each copy's first episode
    near_thrower = environment.world.signal("object_position")[:, 1] > -0.5
    assert near_thrower.all()
    for _ in range(environment.task.horizon):
        info = environment.step(environment.shown())[-1]
        if len(info["ended"]):
            first = info["ended"][started[info["ended"]]]
            arrived[first] = info["reached"][started[info["ended"]]]
            started[first] = False
    assert not started.any()
    assert arrived.mean() > 0.55


def test_a_curriculum_begins_its_share_of_episodes_along_the_way_and_the_rest_where_the_task_starts():
    plain, mixed = make("door_open_inward_hand", 200), make("door_open_inward_hand", 200, curriculum=0.75)
    start = plain.reset(4)
    obs = mixed.reset(4)
    same = (obs == start).all(axis=(1, 2))
    assert 0.15 < same.mean() < 0.35
    assert mixed.reset(4).tobytes() == obs.tobytes()


def test_a_curriculum_moves_back_along_the_demonstration_as_its_episodes_succeed_and_goes_on_from_a_snapshot():
    first, second = (make("door_close_outward_hand", 160, curriculum=1.0) for _ in range(2))
    first.reset(1)
    world, learn = first.world, first._curriculum.learn
    assert world.reach == FIRST and world.along.all()
    late = len(np.unique(world.positions, axis=0))
    everybody = np.arange(160)
    learn(everybody, np.zeros(160, dtype=bool))
    assert world.reach == FIRST
    learn(everybody, np.ones(160, dtype=bool))
    assert world.reach == FIRST + STEP
    second.restore(first.snapshot())
    assert second.world.reach == world.reach
    for environment in (first, second):
        environment.world.reset(everybody)
    assert second.world.positions.tobytes() == world.positions.tobytes()
    assert len(np.unique(world.positions, axis=0)) > 1.5 * late


def test_a_task_without_a_demonstration_has_no_curriculum():
    with pytest.raises(Refused, match="door_open_inward"):
        make("over_hand", 1, curriculum=0.5)


def test_random_limp_fingers_go_limp_as_a_whole_and_often_none_does():
    environment = make("door_open_outward_finger", 400, faults="random_finger_off")
    environment.reset(0)
    broken, _ = environment._faults.joints(np.full(400, 240))
    joints = list(environment.world.joint_names)
    for agent in environment.robot.agents("finger"):
        of_finger = broken[:, [joints.index(joint) for joint in agent.joints]]
        limp = of_finger.all(axis=1)
        assert (limp == of_finger.any(axis=1)).all()
        assert limp.mean() == (0.0 if agent.name.endswith("palm") else pytest.approx(0.125, abs=0.06))
    assert (broken.sum(axis=1) == 0).mean() == pytest.approx(0.263, abs=0.07)
