# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Observations are made of named terms, the same way everywhere."""

import numpy as np
import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.robot.observe import Layout, Observer, Part, Term, View

TERMS = (Term("position", "rad", ("a", "b")), Term("velocity", "rad/s", ("a", "b")), Term("height", "m", ("torso",)))
LAYOUT = Layout(TERMS, (View("first", (Part("position", ("a",)), Part("velocity", ("a",), scale=0.1))),
                        View("second", (Part("position"), Part("height", bias=-1.0)))), clip=5.0, agent_id=True)


def test_each_agent_sees_its_terms_scaled_padded_and_with_its_id():
    seen = Observer(LAYOUT).observe(np.array([0.5, 0.7, 20.0, 90.0, 1.25]))
    np.testing.assert_allclose(seen, [[0.5, 2.0, 0.0, 1.0, 0.0], [0.5, 0.7, 0.25, 0.0, 1.0]])
    assert seen.dtype == np.float32


def test_a_layout_counts_the_measurements_that_its_observer_takes():
    assert LAYOUT.signal_count == Observer(LAYOUT).signal_count == 5


def test_a_batch_is_observed_like_its_members():
    signals = np.random.default_rng(0).normal(size=(7, 5))
    observer = Observer(LAYOUT)
    np.testing.assert_array_equal(observer.observe(signals), [observer.observe(row) for row in signals])


def test_a_batch_of_no_robots_has_no_observations():
    assert Observer(LAYOUT).observe(np.zeros((0, 5))).shape == (0, 2, 5)


def test_observations_are_clipped():
    assert Observer(LAYOUT).observe(np.array([99.0, 0.0, 0.0, 0.0, 0.0])).max() == 5.0


def test_a_broken_sensor_does_not_reach_columns_that_measure_nothing():
    seen = Observer(LAYOUT).observe(np.array([np.nan, 0.0, 0.0, 0.0, 0.0]))
    assert np.isnan(seen[0, 0])
    assert np.isfinite(seen[:, 2:]).all()


def test_unknown_terms_and_elements_are_refused_by_name():
    with pytest.raises(Refused, match="torque"):
        Observer(Layout(TERMS, (View("first", (Part("torque"),)),)))
    with pytest.raises(Refused, match="wrist"):
        Observer(Layout(TERMS, (View("first", (Part("position", ("wrist",)),)),)))


@pytest.mark.parametrize("measured", [
    TERMS[:2], (Term("position", "deg", ("a", "b")), *TERMS[1:]), (Term("position", "rad", ("b", "a")), *TERMS[1:]),
])
def test_a_robot_that_measures_something_else_is_refused(measured):
    LAYOUT.check(TERMS)
    with pytest.raises(Refused, match="expected"):
        LAYOUT.check(measured)


def test_a_missing_term_is_named():
    with pytest.raises(Refused, match="height"):
        LAYOUT.pack({"position": np.zeros(2), "velocity": np.zeros(2)})


def test_a_layout_reads_back_equal_from_its_plain_values():
    assert Layout.from_dict(LAYOUT.to_dict()) == LAYOUT
