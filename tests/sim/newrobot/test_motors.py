# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Every motor takes commands in the unit of its joint, moves the robot as before, and has limits or says a guess."""

import mujoco
import numpy as np
import pytest

from mat_ros.newrobot.actuators import commanded
from mat_ros.newrobot.model_file import read_model
from mat_ros.newrobot.motors import described, settle_motors
from mat_ros.newrobot.scene import write_model
from support.robot_files import SERVOS, arm, urdf_arm

pytestmark = pytest.mark.sim
STEPS = 200


def settled(path):
    """Return the motors of a file by name, the model before, and the model with these motors."""
    file = read_model(path)
    motors = settle_motors(file, standing=False)
    return {motor.name: motor for motor in motors}, file.model, write_model(file, path.with_name("written.xml")), file


def actuators(*rows):
    return f"<actuator>{''.join(rows)}</actuator>"


@pytest.mark.parametrize(("row", "per_control", "shift", "unit"), [
    ('<motor joint="luff" ctrlrange="-1 1"/>', 1.0, 0.0, "N*m"),
    ('<motor joint="luff" gear="-25" ctrlrange="-1 1" forcerange="-0.8 0.5"/>', -25.0, 0.0, "N*m"),
    ('<position joint="luff" kp="40" kv="4" ctrlrange="-1.4 .4"/>', 1.0, 0.0, "rad"),
    ('<position joint="luff" kp="4" kv=".4" gear="3" ctrlrange="-4 1"/>', 1 / 3, 0.0, "rad"),
    ('<position joint="luff" kp="4" kv=".4" gear="-2" ctrlrange="-1 2"/>', -0.5, 0.0, "rad"),
    ('<general joint="luff" biastype="affine" gainprm=".3" biasprm="-20 -30 -2" ctrlrange="0 9"/>', .01, -2 / 3, "rad"),
    ('<velocity joint="luff" kv="3" gear="2" ctrlrange="-4 4"/>', 0.5, 0.0, "rad/s"),
    ('<general joint="luff" biastype="affine" gainprm="2" biasprm="1 0 -4" ctrlrange="-4 4"/>', 0.5, 0.25, "rad/s"),
    ('<intvelocity joint="luff" kp="40" kv="4" ctrlrange="-2 2" actrange="-1 .5"/>', 1.0, 0.0, "rad/s"),
    ('<general joint="luff" dyntype="filter" dynprm=".1" gear="9" ctrlrange="-1 1"/>', 9.0, 0.0, "N*m"),
])
def test_a_command_moves_the_joint_as_the_control_before_it_did(tmp_path, row, per_control, shift, unit):
    motors, before, after, _ = settled(arm(tmp_path, actuators(row)))
    motor, (was, now) = motors["luff"], (mujoco.MjData(before), mujoco.MjData(after))
    assert motor.unit == unit
    assert after.actuator("luff").ctrlrange == pytest.approx((motor.lower, motor.upper))
    draws = np.random.default_rng(0).uniform(*before.actuator_ctrlrange[0], STEPS)
    for control in draws:
        was.ctrl[0] = control
        now.ctrl[after.actuator("luff").id] = control * per_control + shift
        mujoco.mj_step(before, was)
        mujoco.mj_step(after, now)
    assert now.qpos == pytest.approx(was.qpos, abs=1e-6)
    assert np.abs(was.qpos).max() > 1e-3


def test_limits_come_from_the_motor_and_the_joint_and_no_guess_is_silent(tmp_path):
    motors, *_ = settled(arm(tmp_path))
    assert (motors["slew"].lower, motors["slew"].upper, motors["slew"].effort) == (-2.0, 2.0, 30.0)
    assert (motors["luff"].lower, motors["luff"].upper, motors["luff"].effort) == (-25.0, 25.0, 25.0)
    assert motors["slew"].stiffness == 40.0
    assert set(motors["slew"].guessed) == {"rate"} and not motors["luff"].guessed
    assert list(described(list(motors.values()))) == [
        "rate of slew, dip: the file states none; the whole range in 0.5 s"]


def test_a_servo_commands_no_place_that_its_joint_cannot_reach(tmp_path):
    motors, *_ = settled(arm(tmp_path, actuators('<position joint="luff" kp="40" ctrlrange="-9 9"/>')))
    assert (motors["luff"].lower, motors["luff"].upper) == (-1.5, 0.5)


def test_a_motor_without_limits_gets_guessed_ones(tmp_path):
    motors, *_ = settled(arm(tmp_path, actuators('<motor joint="luff"/>')))
    assert motors["luff"].lower == -motors["luff"].upper < -5.0  # N*m: the boom weighs several kilograms
    assert "what holds the weight" in motors["luff"].guessed["lower, upper, effort"]


def test_a_robot_without_motors_gets_servos_that_hold_their_commands(tmp_path):
    motors, _, model, file = settled(arm(tmp_path, ""))
    assert {motor.quantity for motor in motors.values()} == {"position"}
    assert "motors: the file has none, so every joint gets one" in file.guessed
    data = mujoco.MjData(model)
    data.ctrl[:] = wanted = [1.0, -0.7, 0.5]
    mujoco.mj_step(model, data, 2000)
    assert data.qpos == pytest.approx(wanted, abs=0.15)
    assert np.abs(data.qvel).max() < 0.05


def test_the_limits_of_a_urdf_are_the_motors_and_a_wheel_turns_without_end(tmp_path):
    motors, *_ = settled(urdf_arm(tmp_path))
    assert (motors["slew"].rate, motors["slew"].effort, motors["slew"].lower) == (1.5, 30.0, -2.0)
    assert set(motors["slew"].guessed) == {"stiffness"}
    assert set(motors["luff"].guessed) == {"rate", "stiffness"}  # a speed of 0 is none
    assert (motors["spin"].quantity, motors["spin"].unit) == ("velocity", "rad/s")
    assert set(motors["spin"].guessed) == {"lower, upper", "effort", "rate"}


def test_a_motor_on_a_tendon_is_one_command_with_the_length_of_the_tendon(tmp_path):
    tendon = '<tendon><fixed name="both"><joint joint="luff" coef="1"/><joint joint="dip" coef="1"/></fixed></tendon>'
    file = read_model(arm(tmp_path, tendon + actuators('<position tendon="both" kp="9" ctrlrange="-1 1"/>')))
    assert commanded(file) == {"both": ("luff", "dip")}


def test_what_no_command_can_express_is_left_alone_and_said(tmp_path):
    rows = ('<muscle joint="dip" lengthrange="0 1"/>', '<motor joint="luff" ctrlrange="-9 9"/>',
            '<velocity joint="luff" kv="2"/>')
    motors, _, model, file = settled(arm(tmp_path, actuators(*rows)))
    assert [(motor.name, motor.quantity) for motor in motors.values()] == [("luff", "velocity")]
    assert sum("left alone" in line for line in file.guessed) == 2
    assert model.nu == 3


def test_a_muscle_with_the_name_of_a_joint_does_not_keep_the_joint_from_its_motor(tmp_path):
    motors, _, model, _ = settled(arm(tmp_path, actuators('<muscle name="dip" joint="dip" lengthrange="0 1"/>')))
    assert set(motors) == {"slew", "luff", "dip"} and model.nu == 4
    assert model.actuator("dip").gaintype[0] == int(mujoco.mjtGain.mjGAIN_FIXED)


def test_sensors_of_motors_still_measure_them(tmp_path):
    sensor = '<sensor><actuatorfrc name="force" actuator="old name"/></sensor>'
    *_, model, _ = settled(arm(tmp_path, SERVOS.replace("<motor ", '<motor name="old name" ') + sensor))
    assert model.actuator(int(model.sensor("force").objid[0])).name == "luff"
