# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A world without a physics engine: its servos turn at their speed, and break like motors."""

from __future__ import annotations

import numpy as np
import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.faults.schedule import Fault, Schedule
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.observe import Term
from mat_ros.worlds.faults import FaultyWorld
from mat_ros.worlds.kinematic import KinematicWorld
from mat_ros.worlds.scatter import Scatter
from mat_ros.worlds.task import Task, Worth

JOINTS = ("boom", "jib")
ROBOT = RobotDescription.from_dict({
    "name": "crane", "rate_hz": 50, "joints": dict.fromkeys(JOINTS),
    "joint_defaults": {"quantity": "position", "unit": "rad", "lower": -1.0, "upper": 1.0, "rate": 5.0, "effort": 1.0,
                       "scale": 1.0, "offset": 0.0, "default": 0.0, "fallback": "hold"}})
TERMS = (Term("joint_position", "rad", JOINTS), Term("target", "rad", ("angle",)))
STEP = 0.1  # rad per tick: 5 rad/s at 50 Hz


class Crane(KinematicWorld):
    def __init__(self, count: int, threads: int = 1) -> None:
        super().__init__(ROBOT, count, TERMS)

    def _start(self, rows):
        self.values["target"][rows] = self.uniform(rows, 1)


def stepped(world, ticks: int, command: float = 1.0):
    for _ in range(ticks):
        world.step(np.full((world.count, 2), command))
    return world.measure()


def test_a_servo_turns_at_the_rate_of_the_robot_file_and_stops_at_its_command():
    world = Crane(2)
    world.reset(seed=0)
    np.testing.assert_allclose(stepped(world, 3)[:, :2], 3 * STEP)
    np.testing.assert_allclose(stepped(world, 20)[:, :2], 1.0)


@pytest.mark.parametrize(("kind", "severity", "turned"), [
    ("off", 1.0, 0.0), ("stuck", 1.0, 0.0), ("weak", 0.75, 0.25), ("wrong", 1.0, -1.0)])
def test_a_broken_servo_turns_by_its_remaining_strength_and_its_neighbour_obeys(kind, severity, turned):
    world = FaultyWorld(Crane(2))
    broken = Schedule(0, [Fault("f", "actuator", kind, "jib", severity, 0)])
    world.reset(seed=0, schedules=[broken, Schedule(0)])
    np.testing.assert_allclose(stepped(world, 4)[:, :2], 4 * STEP * np.array([[1.0, turned], [1.0, 1.0]]))


def test_a_sensor_breaks_too_and_the_next_episode_is_whole():
    world = FaultyWorld(Crane(1))
    offset = Schedule(0, [Fault("f", "sensor", "offset", "joint_position/boom", 0.5, 0),
                          Fault("g", "actuator", "off", "boom", 1.0, 0)])
    world.reset(seed=0, schedules=[offset])
    np.testing.assert_allclose(stepped(world, 2)[0, :2], [0.5, 2 * STEP])
    world.reset()
    np.testing.assert_allclose(stepped(world, 2)[0, :2], 2 * STEP)


def test_rows_do_not_depend_on_each_other_and_a_state_goes_on_bit_for_bit():
    small, large = FaultyWorld(Crane(1)), FaultyWorld(Crane(3))
    small.reset(seed=4)
    large.reset(seed=4)
    assert small.measure().tobytes() == large.measure()[:1].tobytes()
    stepped(large, 3)
    kept = large.state()
    after = stepped(large, 4, -0.5)
    large.reset()
    large.set_state(kept, [Schedule(0)] * 3)
    assert stepped(large, 4, -0.5).tobytes() == after.tobytes()


def test_scattered_starts_stay_inside_the_limits():
    world = Crane(50)
    world.scatter = Scatter(3.0)
    world.reset(seed=1)
    starts = world.signal("joint_position")
    assert np.abs(starts).max() == 1.0 and np.std(starts) > 0.5


def test_terms_without_all_joints_and_a_speed_that_the_gate_cuts_are_refused():
    with pytest.raises(Refused, match=r"terms of KinematicWorld: expected joint_position of \('boom', 'jib'\)"):
        KinematicWorld(ROBOT, 1, TERMS[1:])
    with pytest.raises(Refused, match="speed of KinematicWorld: expected at most rate / rate_hz of crane"):
        KinematicWorld(ROBOT, 1, TERMS, 0.2)


def test_a_task_whose_physics_failed_has_no_reward_and_no_success_in_that_tick():
    class Trouble(Task):
        def judge(self, world, actions):
            return Worth(np.ones(2), done=np.ones(2, dtype=bool), shaping=np.ones(2))

        def diverged(self, world):
            return np.array([True, False])

    worth = Trouble().worth(Crane(2), np.zeros((2, 1, 1)))
    assert worth.reward.tolist() == worth.shaping.tolist() == [0.0, 1.0]
    assert (worth.done.tolist(), worth.over.tolist(), worth.goal) == ([False, True], [True, False], True)


def test_a_task_that_states_nothing_done_has_no_goal():
    worth = Worth(np.ones(3))
    assert not worth.goal and worth.done.tolist() == worth.over.tolist() == [False] * 3
