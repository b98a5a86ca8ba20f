# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compiled forms of `act` and `evaluate`, chosen by measurement (`python -m training.bench models`)."""

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

UNROLLED_SLOTS = 8  # up to here a whole tick is one graph; beyond, compiling it takes minutes, so only a step is
THREE = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Forms:
    """The two calls that a trainer makes, as `Policy.act` and `Policy.evaluate` take and give them.

    They read the policy's parameters where they are: train it, load into it, and these follow. Each new batch size is
    compiled anew at its first call (about ten seconds), and so is each new set of given arguments.
    """

    act: Callable[..., THREE]
    evaluate: Callable[..., THREE]


def compile_forms(policy: Policy) -> Forms:
    """Compile a policy for this machine, or give its plain methods where there is no C++ compiler to do it with."""
    if not _has_compiler():
        return Forms(policy.act, policy.evaluate)
    wkv_kernels.fits(policy.value_head.out.weight)  # build kernels now, where there is a GPU, and not while tracing
    # The wrapper around the generated loops is C++ as well: at these sizes calling them from Python shows.
    options: dict[str, str | int | bool | Callable[..., object]] = {"cpp_wrapper": True}
    evaluate = torch.compile(policy.evaluate, options=options)

    if policy.config.agents <= UNROLLED_SLOTS:
        decide = torch.compile(policy.decide, options=options)
    elif policy.state_layout().kind == "rows":
        decide = policy.decide  # a graph for any length of cache was no faster at 26 slots and slower at 52
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
