# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Broken joints and sensors behave as the fault is defined, and everything else behaves as without a fault."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="needs the sim extra")

from mat_ros.core.errors import Refused
from mat_ros.core.faults.schedule import Fault, Schedule
from mat_ros.worlds.dexhands import DexHands
from mat_ros.worlds.faults import FaultyWorld, fault_targets

pytestmark = pytest.mark.sim

JOINT = "robot0:MFJ2"
READING = f"joint_position/{JOINT}"


def actuator(kind, severity=1.0, start=0, end=None, joint=JOINT):
    return Fault(f"{kind} {joint} {start}", "actuator", kind, joint, severity, start, end)


def sensor(kind, severity=1.0, start=0, end=None, reading=READING):
    return Fault(f"{kind} {reading} {start}", "sensor", kind, reading, severity, start, end)


def broken(*faults, scene="over", count=2, seed=5):
    """Return a world in which simulation 0 has no fault and the others have the faults."""
    world = FaultyWorld(DexHands(scene, count))
    world.reset(seed=seed, schedules=[Schedule(1), *(Schedule(1, faults) for _ in range(count - 1))])
    # All simulations start in the same pose, so that only the fault can make a difference.
    rows = world.world._batch.state
    rows[1:] = rows[0]
    world.world._batch.forward()
    world.world._signals.fill(world.world._measured)
    world._report(np.arange(count))
    return world


def bend(world, angle, joint=JOINT):
    command = np.zeros((world.count, len(world.joint_names)))
    command[:, world.joint_names.index(joint)] = angle
    return command


def angles(world, joint=JOINT):
    return world.world.joint_position(joint)


def test_whole_joints_move_bit_for_bit_as_in_a_world_without_faults():
    plain, faulty = DexHands("door_open_outward", 2), FaultyWorld(DexHands("door_open_outward", 2))
    plain.reset(seed=3)
    faulty.reset(seed=3, schedules=[Schedule(1), Schedule(1, [actuator("off", start=5)])])
    rng = np.random.default_rng(0)
    for _ in range(20):
        command = rng.uniform(plain.command_lower, plain.command_upper, (2, 52))
        plain.step(command)
        faulty.step(command)
    np.testing.assert_array_equal(faulty.measure()[0], plain.measure()[0])
    assert (faulty.measure()[1] != plain.measure()[1]).any()


def test_a_world_whose_schedules_are_empty_is_the_plain_world_to_the_bit():
    plain, faulty = DexHands("catch_underarm", 3), FaultyWorld(DexHands("catch_underarm", 3))
    plain.reset(seed=3)
    faulty.reset(seed=3)
    rng = np.random.default_rng(0)
    for tick in range(20):
        command = rng.uniform(plain.command_lower, plain.command_upper, (3, 52))
        command[0] = -0.0  # no arithmetic may drop the sign of zero
        plain.step(command)
        faulty.step(command)
        if tick == 10:
            plain.reset([1])
            faulty.reset([1])
        assert faulty.measure().tobytes() == plain.measure().tobytes()
    state = faulty.state()
    assert all(state[name].tobytes() == values.tobytes() for name, values in plain.state().items())


def test_the_state_of_a_plain_world_continues_where_nothing_breaks_and_is_refused_where_something_does():
    plain, faulty = DexHands("over", 2), FaultyWorld(DexHands("over", 2))
    plain.reset(seed=3)
    plain.step(np.zeros((2, 40)))
    faulty.set_state(plain.state(), [Schedule(0)] * 2)
    command = np.random.default_rng(1).uniform(plain.command_lower, plain.command_upper, (2, 40))
    plain.step(command)
    faulty.step(command)
    assert faulty.measure().tobytes() == plain.measure().tobytes()
    with pytest.raises(Refused, match="expected a state of a world with faults"):
        faulty.set_state(plain.state(), [Schedule(0), Schedule(0, [actuator("off")])])


def test_a_joint_that_is_off_gives_no_effort_and_swings_freely():
    world = broken(actuator("off"))
    for _ in range(60):
        world.step(bend(world, 1.5))
    whole, off = angles(world)
    assert whole > 1.2 and off < 0.5
    place = world.world.terms[2].elements.index(JOINT)
    assert world.world.signal("joint_effort")[1, place] == 0.0 != world.world.signal("joint_effort")[0, place]
    before = off
    world.world.set_joint_position(JOINT, before + 0.3, ids=[1])
    for _ in range(30):
        world.step(bend(world, 0.0))
    assert angles(world)[1] > before + 0.1  # no motor pulls the joint back


def test_a_stuck_joint_stays_where_it_was_when_the_fault_began():
    world = broken(actuator("stuck", start=20))
    for _ in range(20):
        world.step(bend(world, 1.0))
    held = angles(world)[1]
    assert held > 0.3
    for _ in range(60):
        world.step(bend(world, 0.0))
    whole, stuck = angles(world)
    assert whole < 0.2
    assert stuck == pytest.approx(held, abs=0.01)
    assert not world.warnings().any()


def test_a_stuck_joint_withstands_what_presses_on_it():
    push = "robot0:base_force_x"
    bent = {}
    for kind in ("stuck", "off"):
        world = broken(*(actuator(kind, joint=f"robot0:{joint}") for joint in ("FFJ2", "MFJ2", "RFJ2")),
                       scene="door_open_outward")
        for _ in range(150):
            world.step(bend(world, -300.0, push))
        bent[kind] = angles(world, "robot0:FFJ2")[1]
        assert not world.warnings().any()
    assert bent["off"] > 0.1
    assert bent["stuck"] == pytest.approx(0.0, abs=0.001)


def test_a_weak_joint_gives_less_effort():
    world = broken(actuator("weak", 0.75))
    place = world.world.terms[2].elements.index(JOINT)
    world.step(bend(world, 1.5))
    whole, weak = world.world.signal("joint_effort")[:, place]
    assert whole == pytest.approx(0.9)  # at the limit of the joint
    assert weak == pytest.approx(0.25 * whole)


def test_a_slow_joint_follows_late_but_arrives():
    world = broken(actuator("slow", 0.9))
    world.step(bend(world, 0.0))
    late = []
    for _ in range(120):
        world.step(bend(world, 1.2))
        late.append(np.subtract(*angles(world)))
    assert max(late) > 0.2
    assert late[-1] == pytest.approx(0.0, abs=0.02)


def test_a_delayed_joint_obeys_commands_of_the_past():
    world = broken(actuator("delayed", 12))
    for _ in range(100):  # until the hand rests
        world.step(bend(world, 0.0))
    whole, delayed = [], []
    for k in range(40):
        world.step(bend(world, 0.0 if k < 5 else 1.2))
        whole.append(angles(world)[0])
        delayed.append(angles(world)[1])
    assert max(delayed[:17]) < max(whole[:6]) + 0.05
    # Nothing else moved the joint while the hand waited, so the joint moves the same way twelve ticks later.
    np.testing.assert_allclose(delayed[17:], whole[5:28], atol=0.03)


def test_a_wrong_joint_moves_the_other_way():
    wrist = "robot0:WRJ0"
    world = broken(actuator("wrong", joint=wrist))
    middle = sum(world.world.model.joint(wrist).range) / 2
    for _ in range(120):
        world.step(bend(world, middle + 0.4, wrist))
    whole, wrong = angles(world, wrist)
    assert whole == pytest.approx(middle + 0.4, abs=0.05)
    assert wrong == pytest.approx(middle - 0.4, abs=0.05)


def test_a_base_that_is_stuck_stays_and_one_that_is_off_gives_no_push():
    push = "robot0:base_force_x"
    for kind in ("stuck", "off"):
        world = broken(actuator(kind, joint=push), scene="door_open_outward")
        start = world.world.signal("hand_position")[:, 0]
        for _ in range(30):
            world.step(bend(world, 400.0, push))
        moved = world.world.signal("hand_position")[:, 0] - start
        assert moved[0] > 0.03
        assert abs(moved[1]) < 0.01


def test_a_mended_joint_works_again():
    world = broken(actuator("off", start=0, end=30), actuator("stuck", start=10, end=30, joint="robot0:FFJ2"))
    for k in range(120):
        world.step(bend(world, 1.0) + bend(world, 1.0, "robot0:FFJ2"))
        if k == 29:
            assert angles(world)[0] - angles(world)[1] > 0.3
    for joint in (JOINT, "robot0:FFJ2"):
        assert angles(world, joint)[1] == pytest.approx(angles(world, joint)[0], abs=0.02)


def test_a_reset_makes_a_simulation_whole():
    world = broken(actuator("off"))
    world.step(bend(world, 1.5))
    world.reset(ids=[1])
    for _ in range(60):
        world.step(bend(world, 1.5))
    assert angles(world)[1] > 1.2


def read(world):
    names = fault_targets(world.world).sensor
    return world.measure()[1, names.index(READING)], world.world.measure()[1, names.index(READING)]


def readings(world, ticks):
    said, true = [read(world)[0]], [read(world)[1]]
    for _ in range(ticks):
        world.step(bend(world, 1.2))
        said.append(read(world)[0])
        true.append(read(world)[1])
    return np.array(said), np.array(true)


def test_a_stuck_sensor_repeats_the_reading_of_the_moment_the_fault_began():
    said, true = readings(broken(sensor("stuck", start=10, end=20)), 30)
    np.testing.assert_array_equal(said[:10], true[:10])
    assert (said[10:20] == true[10]).all() and (true[11:20] != true[10]).all()
    np.testing.assert_array_equal(said[20:], true[20:])


def test_an_offset_sensor_reads_too_much():
    said, true = readings(broken(sensor("offset", 0.25, start=3)), 10)
    np.testing.assert_array_equal(said[:3], true[:3])
    np.testing.assert_allclose(said[3:] - true[3:], 0.25)


def test_a_noisy_sensor_adds_the_schedule_s_own_noise():
    fault = sensor("noise", 0.1)
    said, true = readings(broken(fault), 10)
    expected = [0.1 * Schedule(1, [fault]).normal(fault, tick)[0] for tick in range(11)]
    np.testing.assert_allclose(said - true, expected, atol=1e-12)


def test_a_sensor_that_drops_out_repeats_its_last_reading():
    fault = sensor("dropout", 0.6, start=2)
    said, true = readings(broken(fault), 30)
    lost = [tick >= 2 and Schedule(1, [fault]).uniform(fault, tick)[0] < 0.6 for tick in range(31)]
    assert 5 < sum(lost) < 28
    for tick in range(1, 31):
        assert said[tick] == (said[tick - 1] if lost[tick] else true[tick])


def test_a_delayed_sensor_reads_the_past():
    said, true = readings(broken(sensor("delayed", 4, start=6)), 20)
    np.testing.assert_array_equal(said[:6], true[:6])
    np.testing.assert_array_equal(said[6:], true[2:-4])


@pytest.mark.parametrize("fresh", [True, False])
def test_a_snapshot_in_the_middle_of_faults_goes_on_bit_for_bit(fresh):
    faults = (actuator("stuck", start=4), actuator("delayed", 3, joint="robot0:FFJ2"),
              actuator("slow", 0.5, joint="robot1:RFJ2"), actuator("weak", 0.5, start=25, joint="robot1:FFJ3"),
              sensor("delayed", 5), sensor("stuck", start=2, reading="joint_velocity/robot0:FFJ2"))
    schedules = [Schedule(1), Schedule(1, faults)]
    world = FaultyWorld(DexHands("over", 2))
    world.reset(seed=2, schedules=schedules)
    rng = np.random.default_rng(0)
    script = rng.uniform(world.command_lower, world.command_upper, (40, 2, 40))
    for command in script[:15]:
        world.step(command)
    state = world.state()
    expected = []
    for command in script[15:]:
        world.step(command)
        expected.append(world.measure())
    other = FaultyWorld(DexHands("over", 2)) if fresh else world
    other.set_state(state, schedules)
    np.testing.assert_array_equal(other.measure(), state["reported"])
    for command, want in zip(script[15:], expected, strict=True):
        other.step(command)
        np.testing.assert_array_equal(other.measure(), want)


def test_varied_gains_stay_varied_under_a_fault_and_after_it():
    world = FaultyWorld(DexHands("over", 1))
    world.world.vary("actuator_gainprm")[0] *= 1.5
    world.reset(seed=0, schedules=[Schedule(1, [actuator("weak", 0.5, start=2, end=4)])])
    gains = []
    motor = world.world.motors[world.joint_names.index(JOINT)]
    for _ in range(6):
        world.step(bend(world, 1.0))
        gains.append(world.world.vary("actuator_gainprm")[0, motor, 0])
    assert gains == pytest.approx([1.5, 1.5, 0.75, 0.75, 1.5, 1.5])


def test_what_can_break_is_named_by_joint_and_by_term_and_element():
    world = DexHands("door_open_outward", 1)
    targets = fault_targets(world)
    assert targets.matching("actuator", "robot0:FF*") == ("robot0:FFJ3", "robot0:FFJ2", "robot0:FFJ1")
    assert "door_angle/door_left" in targets.sensor
    assert len(targets.sensor) == world.measure().shape[1]
    with pytest.raises(Refused, match="one per simulation"):
        FaultyWorld(world).reset(schedules=[])
