# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Returns are summarised as rliable does: an interquartile mean with a stratified bootstrap interval."""

import numpy as np
import pytest

from mat_ros.core.statistics import estimate, interquartile_mean, share_interval

RUNS, TASKS = 24, 5
DRAWS = 5000


@pytest.fixture
def scores():
    """Scores (run, task) with heavy tails, as returns have them; each task has a level of its own."""
    rng = np.random.default_rng(7)
    return rng.standard_t(3, (RUNS, TASKS)) + 4.0 * np.arange(TASKS)


def test_the_interquartile_mean_leaves_the_extremes_out_and_its_interval_holds_it():
    values = np.array([-100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 100.0])
    assert interquartile_mean(values) == pytest.approx(3.5)
    found = estimate([values])
    assert found.low <= found.middle <= found.high


def test_fewer_than_four_samples_are_all_averaged():
    assert interquartile_mean(np.array([1.0, 2.0, 9.0])) == pytest.approx(4.0)
    assert np.isnan(interquartile_mean(np.array([])))


def test_each_point_of_a_curve_is_estimated_by_itself(scores):
    whole = estimate([scores], draws=50)
    for task in range(TASKS):
        part = estimate([scores[:, task]], draws=50)
        assert whole.middle[task] == pytest.approx(float(part.middle))
        assert (whole.low[task], whole.high[task]) == pytest.approx((float(part.low), float(part.high)))


def test_a_sample_that_is_not_finite_does_not_count(scores):
    spoilt = np.vstack([scores, np.full((1, TASKS), np.nan)])
    spoilt[-1, 0] = 0.0
    assert interquartile_mean(spoilt)[1:] == pytest.approx(interquartile_mean(scores)[1:])
    assert interquartile_mean(spoilt[:, 1]) == interquartile_mean(scores[:, 1])


def test_nothing_is_estimated_from_no_number():
    found = estimate([np.full(4, np.nan), np.full(2, np.nan)])
    assert np.isnan([found.middle, found.low, found.high]).all()


def test_the_same_samples_give_the_same_interval_and_more_of_them_a_narrower_one(scores):
    one, again = estimate([scores[:, 0]]), estimate([scores[:, 0]])
    assert (one.low, one.high) == (again.low, again.high)
    many = estimate([np.tile(scores[:, 0], 16)])
    assert many.high - many.low < 0.5 * (one.high - one.low)


def test_groups_are_not_traded_for_each_other():
    """Two groups without any spread leave nothing to draw, however far apart they lie."""
    found = estimate([np.full(6, 1.0), np.full(6, 9.0)], np.mean)
    assert (found.low, found.middle, found.high) == (5.0, 5.0, 5.0)


def test_the_interval_of_a_share_is_wilsons_and_stays_open_where_every_trial_had_one_end():
    assert share_interval(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)  # Newcombe 1998, method 3
    assert share_interval(64, 64) == pytest.approx((0.943375, 1.0), abs=1e-6)
    assert share_interval(0, 64) == pytest.approx((0.0, 0.056625), abs=1e-6)
    assert np.isnan(share_interval(0, 0)).all()


def test_rliable_finds_the_same_interquartile_mean(scores):
    metrics = pytest.importorskip("rliable.metrics", reason="needs rliable, of the dev extra")
    for shape in ((RUNS, TASKS), (RUNS - 1, TASKS), (3, 1), (4, 1), (1, 1)):
        part = scores[:shape[0], :shape[1]]
        assert interquartile_mean(part.ravel()) == pytest.approx(metrics.aggregate_iqm(part), rel=1e-12)


@pytest.mark.filterwarnings("ignore:random_state is deprecated:FutureWarning")  # rliable hands it to arch
def test_rliable_finds_the_same_interval_but_for_the_luck_of_the_draw(scores):
    library = pytest.importorskip("rliable.library", reason="needs rliable, of the dev extra")
    metrics = pytest.importorskip("rliable.metrics", reason="needs rliable, of the dev extra")
    theirs = library.get_interval_estimates({"x": scores}, lambda s: np.array([metrics.aggregate_iqm(s)]), reps=DRAWS,
                                            random_state=np.random.RandomState(0))[1]["x"].ravel()
    ours = estimate(list(scores.T), draws=DRAWS)
    assert [ours.low, ours.high] == pytest.approx(theirs, abs=0.04 * (theirs[1] - theirs[0]))
