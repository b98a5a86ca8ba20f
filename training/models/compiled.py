# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compile `act` and `evaluate` in the forms that a measurement chose (`python -m training.bench models`)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from training.models import wkv_kernels
from training.models.policy import Policy

UNROLLED_SLOTS = 8  # longer chains compile in minutes as one graph, so only one step of them is compiled
THREE = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Forms:
    """Hold the two calls of a trainer, with the arguments and results of `Policy.act` and `Policy.evaluate`.

    The forms read the policy's parameters in place, so they follow its training and loading. The first call with a new
    batch size, or with a new set of optional arguments, compiles again (about ten seconds).
    """

    act: Callable[..., THREE]
    evaluate: Callable[..., THREE]


def compile_forms(policy: Policy) -> Forms:
    """Return forms compiled for this machine, or the policy's plain methods where there is no C++ compiler."""
    if not _has_compiler():
        return Forms(policy.act, policy.evaluate)
    wkv_kernels.fits(policy.value_head.out.weight)  # build the kernels now, not while tracing
    # Make the wrapper of the generated loops in C++ too: at these sizes, calls from Python cost visible time.
    options: dict[str, str | int | bool | Callable[..., object]] = {"cpp_wrapper": True}
    evaluate = torch.compile(policy.evaluate, options=options)

    if policy.config.agents <= UNROLLED_SLOTS:
        decide = torch.compile(policy.decide, options=options)
    elif policy.state_layout().kind == "rows":
        decide = policy.decide  # a graph for any cache length was no faster at 26 slots and slower at 52
    else:
        encode = torch.compile(policy.encode_with_values, options=options)
        decide = partial(policy.decide, encode=encode, step=torch.compile(policy.step, options=options))

    @torch.no_grad()
    def act(
        obs: Tensor,
        deterministic: bool = False,
        available: Tensor | None = None,
        generator: torch.Generator | None = None,
        order: Tensor | None = None,
    ) -> THREE:
        return decide(obs, None if deterministic else policy.draw_noise(obs.shape[0], generator), available, order)

    return Forms(act, evaluate)


def _has_compiler() -> bool:
    return any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "g++", "clang++"))
