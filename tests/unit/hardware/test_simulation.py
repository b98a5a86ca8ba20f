# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated robot moves by the command of its tick alone, and its episodes end when they should."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.tick.messages import Applied, Outcome
from mat_ros.hardware.breaking import Breaking
from mat_ros.hardware.fake import FakeBus
from mat_ros.hardware.io import EpisodeResult
from mat_ros.hardware.open import open_breaking
from mat_ros.hardware.simulation import Simulation
from support.places import BUNDLES

MANIFEST = Bundle.load(BUNDLES / "rwkv4").manifest


class ThreeTicks(FakeBus):
    """A robot whose episodes last three ticks."""

    @property
    def ended(self):
        return EpisodeResult(self.episode, 3, 1.5, reached=True, success=self.episode > 0) if self.tick == 3 else None


def simulation(robot=FakeBus, **settings):
    opened = robot(MANIFEST, 0)
    return Simulation(opened, Breaking(opened, MANIFEST), MANIFEST, allowed_ns=10, **{"lockstep": True, **settings})


def command(observation, value=0.01, tick=None):
    joints = np.full(len(MANIFEST.joints), value)
    applied = Applied(joints, joints, np.zeros(len(joints), np.uint16), False)
    actions = np.zeros((MANIFEST.network.agents, MANIFEST.network.act_dim), np.float32)
    return Outcome(observation.tick if tick is None else tick, observation.source_ns, actions,
                   np.zeros(len(actions), np.uint8), applied, 0)


def test_a_lock_step_robot_moves_once_for_the_command_of_its_tick_and_for_no_other():
    sim = simulation()
    first = sim.observe(100)
    assert (first.start_ns, first.deadline_ns) == (100, 110)
    assert not sim.answer(command(first, tick=7), 101)
    assert sim.tick == 0
    assert sim.answer(command(first), 102)
    assert not sim.answer(command(first), 103)  # twice
    assert (sim.tick, sim.counts["late"]) == (1, 2)


def test_a_free_robot_moves_when_it_is_told_to_by_the_newest_command():
    sim = simulation(lockstep=False)
    assert sim.answer(command(sim.observe(0), 0.02), 1)
    assert sim.tick == 0
    sim.step(2)
    assert (sim.robot.written == 0.02).all()
    sim.step(3)  # nobody answered: the last command stays
    assert (sim.robot.written == 0.02).all()


@pytest.mark.parametrize("lockstep", [True, False])
def test_episodes_follow_each_other_until_all_are_over_and_leave_their_results(tmp_path, lockstep):
    sim = simulation(ThreeTicks, episodes=2, lockstep=lockstep, results=str(tmp_path / "results.jsonl"))
    ticks = 0
    while not sim.done:
        sim.answer(command(sim.observe(ticks)), ticks)
        if not lockstep:
            sim.step(ticks)
        ticks += 1
    assert (ticks, sim.tick, sim.episodes) == (6, 6, 2)
    assert [json.loads(line)["number"] for line in (tmp_path / "results.jsonl").read_text().splitlines()] == [0, 1]


def test_a_person_is_told_how_each_episode_went_and_what_is_broken_in_it(tmp_path):
    said: list[str] = []
    (tmp_path / "limp.yaml").write_text(f"""
name: limp
faults:
  - {{actuator: "off", target: elbow, start_s: {2e-9 * MANIFEST.period_ns}}}
  - {{actuator: "off", target: wrist}}
  - {{sensor: stuck, target: joint_position/elbow}}
""")
    words = "actuator:off of elbow from tick 2, wrist; sensor:stuck of joint_position/elbow"
    robot = ThreeTicks(MANIFEST, 0)
    breaking = Breaking(robot, MANIFEST, str(tmp_path / "limp.yaml"))
    sim = Simulation(robot, breaking, MANIFEST, lockstep=True, allowed_ns=10, episodes=2, tell=said.append)
    while not sim.done:
        sim.answer(command(sim.observe(0)), 0)
    assert said == [f"episode 0: {words}", "episode 0: return 1.5 in 3 ticks, reached but not held",
                    f"episode 1: {words}", "episode 1: return 1.5 in 3 ticks, success"]


def test_a_robot_without_a_task_says_how_far_it_has_come_and_no_more():
    sim = simulation()
    sim.answer(command(sim.observe(0)), 1)
    assert sim.facts() == {"tick": 1, "episodes": 0}


def test_a_bus_without_physics_refuses_a_fault_plan():
    bus = FakeBus(MANIFEST)
    assert not open_breaking(bus, MANIFEST, "").planned.faults
    with pytest.raises(Refused, match="a bus without physics"):
        open_breaking(bus, MANIFEST, "elbow:off")


def test_the_times_of_two_episodes_never_meet():
    sim = simulation(ThreeTicks)
    sources = []
    for tick in range(6):
        seen = sim.observe(tick)
        sources.append(seen.source_ns)
        sim.answer(command(seen), tick)
    assert len(set(sources)) == 6
