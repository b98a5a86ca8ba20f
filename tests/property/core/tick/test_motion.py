# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A joint that follows its commands within its limits is never stopped for its motion, whatever is asked of it."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mat_ros.core.robot.guard import GuardSettings, MotionSettings
from mat_ros.core.tick.motion import Monitor
from mat_ros.core.tick.safety import Gate
from support.servo_arm import ServoArm, layout_of, servo

PERIOD_NS = 20_000_000
DT = PERIOD_NS * 1e-9
THRESHOLDS = MotionSettings()


@st.composite
def joints_and_lags(draw):
    """Draw joints, and by how many seconds each lags; at its full rate a joint then lags by less than the error."""
    joints, lags_s = [], []
    for name in "abc"[:draw(st.integers(1, 3))]:
        lower, span = draw(st.floats(-3.0, 0.0)), draw(st.floats(0.05, 6.0))
        rate = span * draw(st.floats(0.1, 4.0))  # per second
        joints.append(servo(name, lower=lower, upper=lower + span, rate=rate, default=lower + span / 2))
        longest = min(0.9 * THRESHOLDS.error * span / rate, 0.9 * THRESHOLDS.stall_s)
        lags_s.append(draw(st.floats(0.0, 1.0)) * longest)
    return joints, np.array(lags_s)


@settings(max_examples=60, deadline=None)
@given(joints_and_lags(), st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from(["anything", "steps", "waves"]))
def test_joints_that_follow_within_their_limits_are_never_stopped(drawn, seed, timed, asked):
    joints, lags_s = drawn
    rng = np.random.default_rng(seed)
    arm = ServoArm(joints, PERIOD_NS, timed, share=DT / (DT + lags_s))
    gate = Gate(joints, PERIOD_NS, GuardSettings(blend_s=0.0))
    monitor = Monitor(layout_of(joints, timed), joints, PERIOD_NS, THRESHOLDS)
    lower, upper, rate = np.array([(joint.lower, joint.upper, joint.rate) for joint in joints]).T
    arm.place = np.array([joint.default for joint in joints])
    gate.activate(arm.place)
    noise = min(1e-3 * (upper - lower).min(), 0.1 * (rate * DT).min())  # of the sensors
    request, begun_ns = gate.last, int(rng.integers(0, 2**40))
    for tick in range(600):
        signals = arm.measure()
        signals[:len(joints)] += noise * rng.uniform(-1.0, 1.0, len(joints)).astype(np.float32)
        stamp = begun_ns + tick * PERIOD_NS + int(rng.integers(-PERIOD_NS // 10, PERIOD_NS // 10))
        assert monitor.judge(signals, gate.last, stamp) is None
        if asked == "anything" or (asked == "steps" and rng.random() < 0.02):
            request = rng.uniform(lower - 1.0, upper + 1.0)
        elif asked == "waves":
            request = (lower + upper) / 2 + (upper - lower) * np.sin(tick * DT * rate / (upper - lower))
        present = rng.random(len(joints)) < 0.99
        arm.move(gate.apply(request, present, arm.place).applied)
