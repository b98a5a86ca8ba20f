# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The trainer's estimates agree with worked examples."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from training.algos.losses import clipped_surrogate, clipped_value_loss, huber  # noqa: E402
from training.run.normalise import ObservationNormaliser, ValueNormaliser  # noqa: E402
from training.run.rollout import generalised_advantages, standardise  # noqa: E402


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float32).reshape(-1, 1, 1)


def test_advantages_of_a_three_tick_episode_match_the_sum_written_out() -> None:
    ended = np.array([[False], [False], [True]])
    found = generalised_advantages(column(1, 2, 3), column(0.5, 1, 1.5, 9), ended, gamma=0.5, lam=0.5)
    last = 3 - 1.5
    middle = 2 + 0.5 * 1.5 - 1 + 0.25 * last
    first = 1 + 0.5 * 1 - 0.5 + 0.25 * middle
    np.testing.assert_allclose(found[:, 0, 0], [first, middle, last], rtol=1e-6)


def test_an_end_keeps_the_next_episode_out_of_the_sum() -> None:
    ended = np.array([[True], [False]])
    alone = generalised_advantages(column(1, 0), column(0, 0, 0), ended, 0.99, 0.95)
    beside_riches = generalised_advantages(column(1, 1000), column(0, 500, 0), ended, 0.99, 0.95)
    assert alone[0, 0, 0] == beside_riches[0, 0, 0] == 1.0


def test_with_lambda_one_the_advantage_is_return_minus_value() -> None:
    rng = np.random.default_rng(0)
    rewards, values = rng.normal(size=(7, 3, 2)).astype(np.float32), rng.normal(size=(8, 3, 2)).astype(np.float32)
    ended = np.zeros((7, 3), bool)
    ended[-1] = True
    found = generalised_advantages(rewards, values, ended, 0.9, 1.0)
    discounted = sum(0.9**t * rewards[t] for t in range(7))
    np.testing.assert_allclose(found[0] + values[0], discounted, rtol=1e-4)


def test_standardised_advantages_have_mean_zero_and_deviation_one() -> None:
    found = standardise(np.random.default_rng(0).normal(3.0, 7.0, (50, 4, 2)).astype(np.float32))
    assert abs(found.mean()) < 1e-5 and abs(found.std() - 1.0) < 1e-4


def test_huber_is_square_near_zero_and_linear_on_both_sides() -> None:
    errors = torch.tensor([-20.0, -10.0, -1.0, 0.0, 1.0, 10.0, 20.0])
    assert huber(errors, 10.0).tolist() == [150.0, 50.0, 0.5, 0.0, 0.5, 50.0, 150.0]


def test_the_surrogate_stops_paying_for_a_ratio_beyond_the_clip() -> None:
    ratios, advantages = torch.tensor([1.5, 1.5, 0.5, 0.5]), torch.tensor([1.0, -1.0, 1.0, -1.0])
    found = clipped_surrogate(ratios.log(), advantages, 0.2)
    torch.testing.assert_close(found, torch.tensor([1.2, -1.5, 0.5, -0.8]))


def test_the_value_loss_takes_the_worse_of_the_new_and_the_held_value() -> None:
    values, old, target = torch.tensor([1.0, -1.0]), torch.zeros(2), torch.tensor([2.0, 2.0])
    found = clipped_value_loss(values, old, target, clip=0.5, delta=10.0)
    torch.testing.assert_close(found, torch.tensor([0.5 * 1.5**2, 0.5 * 3.0**2]))


def test_the_value_normaliser_knows_the_moments_from_the_first_batch_on() -> None:
    normaliser = ValueNormaliser()
    returns = torch.tensor([1.0, 3.0, 5.0, 7.0])
    normaliser.update(returns)
    mean, std = normaliser.scale()
    assert mean == pytest.approx(4.0) and std == pytest.approx(5.0**0.5)
    np.testing.assert_allclose(normaliser.denormalise(normaliser.normalise(returns).numpy()), returns, rtol=1e-6)


def test_constant_returns_do_not_blow_values_up() -> None:
    normaliser = ValueNormaliser()
    normaliser.update(torch.full((10,), 2.0))
    assert normaliser.scale()[1] == pytest.approx(0.1)


def test_running_statistics_equal_those_of_all_observations_at_once() -> None:
    obs = np.random.default_rng(0).normal(5.0, 3.0, (60, 2, 4)).astype(np.float32)
    normaliser = ObservationNormaliser(np.ones((2, 4), bool))
    for part in np.split(obs, [7, 20, 21]):
        normaliser.update(part)
    np.testing.assert_allclose(normaliser.mean, obs.mean(0), rtol=1e-5)
    np.testing.assert_allclose(normaliser.std, obs.std(0), rtol=1e-5)


def test_ids_flags_and_padding_pass_the_normaliser_unchanged() -> None:
    mask = np.array([[True, False, False]])
    normaliser = ObservationNormaliser(mask, clip=1.0)
    obs = np.array([[[4.0, 1.0, 0.0]], [[6.0, 1.0, 25.0]]], np.float32)
    normaliser.update(obs)
    assert normaliser.apply(obs)[:, 0].tolist() == [[-1.0, 1.0, 0.0], [1.0, 1.0, 25.0]]


def test_a_column_that_never_changes_is_not_divided_by_nothing() -> None:
    normaliser = ObservationNormaliser(np.ones((1, 1), bool))
    normaliser.update(np.full((5, 1, 1), 3.0, np.float32))
    assert normaliser.apply(np.full((1, 1, 1), 3.5, np.float32))[0, 0, 0] == pytest.approx(0.5)
