# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The motion of simulated hands is held against what is allowed; `support.motion_hour` measures a whole hour."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="needs the sim extra")

from mat_ros.core import shipped
from mat_ros.core.faults.schedule import Fault, Schedule
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.robot.guard import GuardSettings, MotionSettings
from mat_ros.core.tick.keeper import Keeper, Keeping
from mat_ros.core.tick.messages import Decision, Observation
from mat_ros.core.tick.safety import Gate, Reason
from mat_ros.hardware.simulated import SimulatedRobot
from support.motion_hour import stops_of_simulated

pytestmark = pytest.mark.sim

JOINT = "robot0:FFJ2"
BROKEN = 2.0  # s, when the joint breaks
ROBOT = RobotDescription.load(shipped.config_file("robots", "dexhands_door"))
OF_THE_HANDS = {**dataclasses.asdict(ROBOT.guard.motion), "watch": "all"}


def wave(hz: float):
    return lambda seconds: 0.3 * np.sin(2.0 * np.pi * hz * seconds)


@pytest.fixture(scope="module")
def manifest():
    return Bundle.load(shipped.policy_folder("dexhands_door_mat")).manifest


def stop_of(manifest, shares, kind: str = "", seconds: float = 8.0, **motion: object) -> tuple[str, list[str]]:
    """Move the fingers of two hands in the air by shares of their ranges; return the cause of the stop, and its joints.

    The motor of one joint breaks in this way after a while.
    """
    robot = SimulatedRobot(manifest, seed=1, ticks=10**6)
    period_s = manifest.period_ns * 1e-9
    if kind:
        robot.follow(Schedule(0, [Fault("f", "actuator", kind, JOINT, 1.0, round(BROKEN / period_s))]))
    guard = GuardSettings(motion=MotionSettings(**{"watch": "all", **motion}))
    keeper = Keeper(manifest, Gate(manifest.joints, manifest.period_ns, guard), Keeping(lockstep=True, simulated=True))
    lower, upper = np.array([(joint.lower, joint.upper) for joint in manifest.joints]).T
    servo = np.array([joint.quantity == "position" for joint in manifest.joints])
    # The little finger stays beside the others, since fingers that press on each other are away from their commands.
    moves = servo & np.array(["LFJ4" not in joint.name for joint in manifest.joints])
    slots = manifest.network.agents
    for tick in range(round(seconds / period_s)):
        reading, start_ns = robot.read(), tick * manifest.period_ns
        keeper.on_observation(Observation(tick, start_ns, start_ns + manifest.period_ns, reading.source_ns,
                                          reading.episode, reading.signals), start_ns)
        command = np.where(moves, (lower + upper) / 2 + shares(tick * period_s) * (upper - lower), 0.0)
        actions = manifest.action_map.to_actions(command).astype(np.float32)
        decision = Decision(tick, reading.source_ns, 0, 0, slots, actions, np.zeros(slots, np.uint8))
        (outcome,) = keeper.on_decision(decision, start_ns)
        if outcome.applied.stopped:
            wrong = np.flatnonzero(outcome.applied.reasons & Reason.MOTION)
            return keeper.cause, [keeper.gate.joint_names[k] for k in wrong]
        robot.write(outcome.applied.applied)
    return "", []


def test_hands_that_move_in_the_air_pass_every_check(manifest):
    assert stop_of(manifest, wave(0.5)) == ("", [])


@pytest.mark.parametrize(("kind", "shares", "motion", "text"), [
    ("off", wave(0.5), {}, "stands still away from its command"),
    ("stuck", wave(0.5), {}, "stands still away from its command"),
    ("wrong", wave(0.2), {"drift": 0}, "is far from its command"),
    ("wrong", lambda seconds: 0.3, OF_THE_HANDS, "moves away from a constant command"),
])
def test_a_broken_joint_of_a_hand_is_named_with_what_it_does(manifest, kind, shares, motion, text):
    cause, joints = stop_of(manifest, shares, kind, **motion)
    assert cause.startswith(f"joint {JOINT} {text}: ") and joints == [JOINT]


def test_a_hand_that_is_faster_than_its_file_allows_is_too_fast(manifest):
    rest = {"error": 0, "drift": 0, "stall": 0}
    assert stop_of(manifest, wave(3.0), **rest) == ("", [])  # the file allows 150 rad/s
    cause, _ = stop_of(manifest, wave(3.0), speed=0.03, **rest)
    assert " is too fast: " in cause and "3 rad/s allowed" in cause


@pytest.mark.parametrize("kind", ["off", "stuck", "wrong"])
def test_an_experiment_with_a_broken_joint_is_not_stopped_unless_it_asks_for_that(manifest, kind):
    assert stop_of(manifest, wave(0.5), kind, watch="real") == ("", [])


@pytest.mark.parametrize("policy", ["dexhands_door_mat", "dexhands_door_joint_mat", "halfcheetah_mat"])
def test_half_a_minute_of_a_healthy_policy_has_no_false_stop(policy):
    assert stops_of_simulated(policy, 1800 if policy.startswith("dexhands") else 600) == []


def test_a_hand_that_presses_on_a_door_would_be_stopped_if_its_file_allowed_no_error():
    causes = stops_of_simulated("dexhands_door_mat", 250, error=0.1)
    assert len(causes) == 1 and " is far from its command: " in causes[0]
