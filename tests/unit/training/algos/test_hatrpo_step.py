# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""HATRPO's arithmetic solves systems that can be solved by hand."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from training.algos.hatrpo import DAMPING, conjugate_gradient, fisher_product, line_search  # noqa: E402


def test_conjugate_gradients_solve_a_system_in_as_many_steps_as_it_has_dimensions() -> None:
    root = torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.0, 0.0, 3.0]], dtype=torch.float64)
    matrix = root @ root.T + torch.eye(3, dtype=torch.float64)
    target = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    found = conjugate_gradient(lambda v: matrix @ v, target, 3)
    torch.testing.assert_close(found, torch.linalg.solve(matrix, target))


def test_the_fisher_product_is_the_curvature_of_the_divergence() -> None:
    parameter = torch.tensor([0.3, -0.2], dtype=torch.float64, requires_grad=True)
    curvature = torch.tensor([[4.0, 1.0], [1.0, 3.0]], dtype=torch.float64)
    origin = parameter.detach().clone()

    def divergence() -> torch.Tensor:
        off = parameter - origin
        return 0.5 * off @ curvature @ off

    vector = torch.tensor([1.0, 2.0], dtype=torch.float64)
    torch.testing.assert_close(fisher_product(divergence, [parameter], vector), curvature @ vector + DAMPING * vector)


def test_a_step_that_leaves_the_trust_region_is_halved_until_it_stays() -> None:
    parameter = torch.zeros(1, requires_grad=True)
    kl, moved = line_search([parameter], torch.tensor([8.0]), 8.0, 0.0, lambda: parameter.sum(),
                            lambda: parameter.square().sum(), limit=5.0)
    assert moved and parameter.item() == 2.0 and kl == 4.0


def test_a_step_that_breaks_its_promise_is_taken_back() -> None:
    parameter = torch.ones(2, requires_grad=True)
    kl, moved = line_search([parameter], torch.ones(2), 1.0, 0.0, lambda: -parameter.sum(),
                            lambda: parameter.sum() * 0.0, limit=1.0)
    assert not moved and kl == 0.0 and parameter.tolist() == [1.0, 1.0]
