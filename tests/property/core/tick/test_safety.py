# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever is asked of the safety gate, what leaves it is safe."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mat_ros.core.errors import Refused
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.core.robot.joints import Joint
from mat_ros.core.tick.safety import Gate, Reason

PERIOD_NS = 20_000_000
DT = 0.02
ANY = st.floats(allow_nan=True, allow_infinity=True, width=64)


def joint(name, lower=-1.0, upper=2.0, rate=3.0, effort=4.0, stiffness=0.0, fallback="hold", quantity="position",
          default=0.0):
    unit = {"position": "rad", "effort": "N*m"}[quantity]
    return Joint(name, quantity, unit, lower, upper, rate, effort, 1.0, 0.0, default, fallback, stiffness)


@st.composite
def any_joint(draw):
    lower, span = draw(st.floats(-3.0, -0.01)), draw(st.floats(0.02, 6.0))
    upper = lower + span
    return joint("j", lower, upper, rate=draw(st.one_of(st.floats(0.01, 100.0), st.just(float("inf")))),
                 stiffness=draw(st.sampled_from([0.0, 1.0, 5.0])), fallback=draw(st.sampled_from(["hold", "default"])),
                 default=min(lower + draw(st.floats(0.0, 1.0)) * span, upper))


JOINTS = st.lists(any_joint(), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(JOINTS, st.data())
def test_output_is_finite_inside_limits_and_within_rate_of_the_last_command_for_any_input(joints, data):
    gate = Gate(joints, PERIOD_NS, GuardSettings(hold_ticks=2, stop_ticks=6, blend_s=0.1))
    n = len(joints)
    row = st.lists(ANY, min_size=n, max_size=n).map(np.array)
    flags = st.lists(st.booleans(), min_size=n, max_size=n).map(np.array)
    gate.activate(gate.clip(np.array(data.draw(st.lists(st.floats(-10, 10), min_size=n, max_size=n)))))
    for _ in range(8):
        before = gate.last
        out = gate.apply(data.draw(row), data.draw(flags), data.draw(row))
        assert np.isfinite(out.applied).all()
        for k, j in enumerate(joints):
            assert j.lower <= out.applied[k] <= j.upper
            assert abs(out.applied[k] - before[k]) <= j.rate * DT + 1e-12
            if out.applied[k] != out.requested[k]:
                assert out.reasons[k] != 0  # every difference has a reason


@settings(max_examples=100, deadline=None)
@given(JOINTS, st.lists(ANY, min_size=40, max_size=40))
def test_after_a_stop_the_joints_come_to_rest_and_stay_until_reset(joints, asked):
    gate = Gate(joints, PERIOD_NS)
    gate.activate(np.array([j.default for j in joints]))
    gate.apply(np.array([j.upper for j in joints]))
    gate.stop()
    for value in asked:
        gate.apply(np.full(len(joints), value))
    slowest = max(int((j.upper - j.lower) / (j.rate * DT)) + 2 for j in joints)
    for _ in range(slowest):
        gate.apply(np.zeros(len(joints)))
    rest = gate.last
    for value in asked:
        out = gate.apply(np.full(len(joints), value))
        np.testing.assert_array_equal(out.applied, rest)
        assert out.stopped
        assert (out.reasons & Reason.STOPPED).all()


def test_nothing_moves_before_activation():
    gate = Gate([joint("a", default=0.5)], PERIOD_NS)
    out = gate.apply(np.array([2.0]))
    assert out.applied[0] == 0.5
    assert out.reasons[0] & Reason.STOPPED


def test_activation_needs_a_finite_position_of_every_joint():
    with pytest.raises(Refused, match="finite"):
        Gate([joint("a")], PERIOD_NS).activate(np.array([np.nan]))


def test_a_joint_that_stands_far_outside_its_limits_is_not_taken_over():
    gate = Gate([joint("a", lower=-1.0, upper=1.0)], PERIOD_NS)
    with pytest.raises(Refused, match=r"joint a: expected a position in \[-1, 1\], got 4; move the joint inside"):
        gate.activate(np.array([4.0]))
    gate.activate(np.array([1.01]))  # a joint that leans on its stop is measured a little beyond it
    assert gate.last.tolist() == [1.0]


def test_a_command_that_the_hardware_did_not_take_moves_the_next_one_nowhere():
    gate = Gate([joint("a", rate=1.0)], PERIOD_NS, GuardSettings(blend_s=0.0))
    gate.activate(np.zeros(1))
    for _ in range(100):
        gate.apply(np.array([2.0]))
        gate.not_taken()
    assert gate.apply(np.array([2.0])).applied == pytest.approx([1.0 * DT])


@pytest.mark.parametrize(("elapsed_ns", "moved"), [(0, 0.0), (PERIOD_NS // 4, 0.25), (10**12, 1.0), (-5, 0.0)])
def test_a_command_moves_by_the_rate_times_the_time_that_has_passed_and_a_period_at_most(elapsed_ns, moved):
    gate = Gate([joint("a", rate=1.0)], PERIOD_NS, GuardSettings(blend_s=0.0))
    gate.activate(np.zeros(1))
    assert gate.apply(np.array([2.0]), elapsed_ns=elapsed_ns).applied == pytest.approx([moved * DT])


def test_a_stop_asks_a_servo_for_no_more_than_its_effort():
    gate = Gate([joint("a", lower=-3.0, upper=3.0, rate=1000.0, effort=1.0, stiffness=5.0, fallback="default")],
                PERIOD_NS, GuardSettings(blend_s=0.0))
    gate.activate(np.array([2.5]))
    gate.stop()
    out = gate.apply(np.array([2.5]), measured=np.array([2.5]))
    assert out.applied == pytest.approx([2.5 - 1.0 / 5.0]) and out.reasons[0] & Reason.EFFORT


@pytest.mark.parametrize(("quantity", "unit"), [("velocity", "rad/s"), ("effort", "N*m")])
def test_a_joint_whose_last_command_would_act_for_ever_may_not_hold_it(quantity, unit):
    with pytest.raises(Refused, match="fallback: expected zero or default for a joint .*, got hold"):
        Joint("w", quantity, unit, -5.0, 5.0, 100.0, 10.0, 1.0, 0.0, 0.0, "hold")


def test_the_rate_is_taken_from_the_last_command_and_not_from_a_lagging_joint():
    gate = Gate([joint("a", rate=1.0)], PERIOD_NS, GuardSettings(blend_s=0.0))
    gate.activate(np.zeros(1))
    for _ in range(10):
        out = gate.apply(np.array([2.0]), measured=np.zeros(1))
    np.testing.assert_allclose(out.applied, 10 * 1.0 * DT)


def test_a_missing_joint_holds_then_ramps_to_its_fallback_and_the_others_go_on():
    joints = [joint("a", fallback="default", default=-1.0, rate=10.0), joint("b", rate=100.0)]
    gate = Gate(joints, PERIOD_NS, GuardSettings(hold_ticks=2, stop_ticks=0, blend_s=0.0))
    gate.activate(np.array([1.0, 0.0]))
    path = [gate.apply(np.array([9.9, 1.0]), present=np.array([False, True])) for _ in range(5)]
    np.testing.assert_allclose([p.applied[0] for p in path], [1.0, 1.0, 0.8, 0.6, 0.4])
    np.testing.assert_allclose([p.applied[1] for p in path], 1.0)
    assert path[0].reasons[0] == Reason.MISSING
    assert path[2].reasons[0] & Reason.FALLBACK


def test_too_many_missed_ticks_latch_a_stop():
    gate = Gate([joint("a"), joint("b")], PERIOD_NS, GuardSettings(hold_ticks=1, stop_ticks=3))
    gate.activate(np.zeros(2))
    stopped = [gate.apply(np.zeros(2), present=np.array([True, False])).stopped for _ in range(5)]
    assert stopped == [False, False, False, True, True]


def test_only_the_failed_joint_stops_where_the_settings_say_so():
    alone = GuardSettings(hold_ticks=1, stop_ticks=2, stop_all=False, blend_s=0.0)
    gate = Gate([joint("a"), joint("b")], PERIOD_NS, alone)
    gate.activate(np.zeros(2))
    for _ in range(5):
        out = gate.apply(np.array([0.05, 0.05]), present=np.array([True, False]))
    assert out.reasons[1] & Reason.STOPPED
    assert out.reasons[0] == 0
    assert out.applied[0] == 0.05


def test_a_servo_is_not_asked_for_more_than_its_effort():
    gate = Gate([joint("a", rate=1000.0, effort=1.0, stiffness=5.0)], PERIOD_NS, GuardSettings(blend_s=0.0))
    gate.activate(np.zeros(1))
    out = gate.apply(np.array([2.0]), measured=np.array([0.1]))
    np.testing.assert_allclose(out.applied, 0.1 + 1.0 / 5.0)
    assert out.reasons[0] == Reason.EFFORT


def test_activation_blends_in_from_the_present_position():
    gate = Gate([joint("a", rate=1000.0)], PERIOD_NS, GuardSettings(blend_s=0.08))
    gate.activate(np.array([0.0]))
    path = [gate.apply(np.array([1.0])).applied[0] for _ in range(5)]
    assert path[0] == pytest.approx(0.25)
    assert path == sorted(path)
    assert path[-1] == 1.0


def test_a_request_inside_every_limit_passes_unchanged():
    gate = Gate([joint("a", rate=100.0)], PERIOD_NS, GuardSettings(blend_s=0.0))
    gate.activate(np.zeros(1))
    out = gate.apply(np.array([0.123456789]))
    assert out.applied[0] == 0.123456789
    assert out.reasons[0] == 0
