# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Train by HATRPO: as in HAPPO the agents learn in turn, each by a natural gradient step in a trust region.

step = sqrt(2 delta / x'Fx) x,  x = F⁻¹ g by conjugate gradients. The step is halved until the gain is large enough and
the divergence stays within the region.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from training.algos.happo import Happo
from training.algos.networks import Actor

ITERATIONS = 10  # number of iterations of conjugate gradients
DAMPING = 0.1  # added to the Fisher matrix, which a few thousand samples do not determine fully
HALVINGS = 10  # largest number of halvings of the step in the line search
ACCEPTED = 0.5  # smallest share of the expected gain that a step must reach


class Hatrpo(Happo):
    """Improve one actor after another by a trust-region step."""

    def improve(self, actor: Actor, own: dict[str, Tensor], generator: torch.Generator) -> Tensor:
        """Improve one actor on `gain` and return its scores (4,)."""
        parameters = list(actor.parameters())
        with torch.no_grad():
            old_params = actor.mean(own["obs"])
            spread = actor.spread()
            old_std = None if spread is None else spread.clone()

        def gain() -> Tensor:
            return ((actor.log_prob(own["obs"], own["actions"])[0] - own["old"]).exp() * own["gain"]).mean()

        def divergence() -> Tensor:
            return actor.divergence(own["obs"], old_params, old_std)

        before = gain()
        gradient = _flat(torch.autograd.grad(before, parameters, allow_unused=True), parameters)
        direction = conjugate_gradient(lambda v: fisher_product(divergence, parameters, v), gradient, ITERATIONS)
        curvature = direction @ fisher_product(divergence, parameters, direction)
        step = direction * (2.0 * self.config.kl_limit / curvature.clamp(min=1e-12)).sqrt()
        expected, start = float((gradient @ step).detach()), float(before.detach())
        kl, moved = line_search(parameters, step, expected, start, gain, divergence, self.config.kl_limit)
        with torch.no_grad():
            entropy = float(actor.log_prob(own["obs"], own["actions"])[1].mean())
        return torch.tensor([-start, entropy, float(not moved), kl])


def conjugate_gradient(product: Callable[[Tensor], Tensor], target: Tensor, iterations: int) -> Tensor:
    """Return the solution x of product(x) = target for a symmetric positive product."""
    x, residual = torch.zeros_like(target), target.clone()
    direction, size = residual.clone(), residual @ residual
    for _ in range(iterations):
        if float(size) < 1e-12:
            break
        along = product(direction)
        rate = size / (direction @ along)
        x, residual = x + rate * direction, residual - rate * along
        grown = residual @ residual
        direction, size = residual + (grown / size) * direction, grown
    return x


def fisher_product(divergence: Callable[[], Tensor], parameters: Sequence[Tensor], vector: Tensor) -> Tensor:
    """Return the Fisher matrix times a vector. The matrix is the curvature of the divergence at its zero."""
    slope = _flat(torch.autograd.grad(divergence(), parameters, create_graph=True, allow_unused=True), parameters)
    return _flat(torch.autograd.grad(slope @ vector, parameters, allow_unused=True), parameters) + DAMPING * vector


def line_search(parameters: Sequence[Tensor], step: Tensor, expected: float, before: float, gain: Callable[[], Tensor],
                divergence: Callable[[], Tensor], limit: float) -> tuple[float, bool]:
    """Take the longest halved step with enough gain in the trust region.

    Return its divergence and True, or 0 and False where no step has enough.
    """
    start = [p.detach().clone() for p in parameters]
    with torch.no_grad():
        for k in range(HALVINGS):
            share = 0.5**k
            _shift(parameters, start, step * share)
            better, kl = float(gain()) - before, float(divergence())
            if better > ACCEPTED * share * expected and better > 0.0 and kl < limit:
                return kl, True
        _shift(parameters, start, torch.zeros_like(step))
    return 0.0, False


def _flat(gradients: tuple[Tensor | None, ...], parameters: Sequence[Tensor]) -> Tensor:
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten()
                      for g, p in zip(gradients, parameters, strict=True)])


def _shift(parameters: Sequence[Tensor], start: list[Tensor], step: Tensor) -> None:
    place = 0
    for parameter, origin in zip(parameters, start, strict=True):
        parameter.copy_(origin + step[place:place + parameter.numel()].view_as(parameter))
        place += parameter.numel()
