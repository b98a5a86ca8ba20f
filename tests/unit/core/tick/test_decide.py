# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Every decision is made in one place: many slots in a call where the backend can, else slot by slot."""

from __future__ import annotations

import ast

import numpy as np
import pytest

from mat_ros.core.tick.decide import Decider, RunStepper, Sampling
from mat_ros.core.tick.messages import Override, Validity
from support.chain_world import ACT_DIM, Arithmetic, encoding, network
from support.places import ROOT

SLOTS = 5
ENC = encoding(0, SLOTS).enc
STILL = Override(np.zeros(ACT_DIM, np.float32), Validity.ZERO)
CALLERS = {"mat_ros/core/tick/decide.py", "mat_ros/backends/timing.py"}


class Runner(Arithmetic):
    """The same policy, which can also decide several slots in one call, and notes which ones."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[tuple[int, int]] = []

    def decide(self, first, last, enc, previous, state):
        self.runs.append((first, last))
        actions = []
        for slot in range(first, last):
            previous, state = self.step(slot, enc[slot - first], previous, state)
            actions.append(previous)
        return np.array(actions), state


def decided(policy: Arithmetic, sampling: Sampling | None = None, overrides=None, first: int = 0):
    decider = Decider(policy, network(SLOTS), policy.layout, sampling)
    before, _ = decider.extend(decider.start(), 0, first, ENC, Validity.OWN)
    prefix, intended = decider.extend(before, 0, SLOTS, ENC, Validity.OWN, overrides)
    return intended.tobytes(), prefix.actions.tobytes(), prefix.validity.tobytes(), prefix.state.tobytes()


@pytest.mark.parametrize("first", range(SLOTS))
def test_a_backend_that_decides_runs_is_asked_once_and_the_bits_are_those_of_single_steps(first):
    runner = Runner()
    assert isinstance(runner, RunStepper) and not isinstance(Arithmetic(), RunStepper)
    assert decided(runner, first=first) == decided(Arithmetic(), first=first)
    assert runner.runs[-1] == (first, SLOTS)


def test_an_override_that_lies_before_or_behind_the_run_leaves_it_whole():
    runner = Runner()
    assert decided(runner, overrides={1: STILL}, first=2) == decided(Arithmetic(), overrides={1: STILL}, first=2)
    assert runner.runs == [(0, 2), (2, SLOTS)]


@pytest.mark.parametrize("how", [{"overrides": {3: STILL}}, {"sampling": Sampling(1, np.ones(ACT_DIM, np.float32))}])
def test_slots_whose_successors_hear_something_else_than_was_intended_are_decided_one_by_one(how):
    runner = Runner()
    assert decided(runner, **how) == decided(Arithmetic(), **how)
    assert runner.runs == []


def test_only_the_decider_and_the_clock_of_the_method_call_the_step_of_a_backend():
    files = [file for folder in ("mat_ros", "trt_engines") for file in (ROOT / folder).rglob("*.py")]
    assert {str(file.relative_to(ROOT)) for file in files if _calls_step(file.read_text(encoding="utf-8"))} == CALLERS


def _calls_step(text: str) -> bool:
    """Say whether a program calls a `step` with slot, encoding, action and state; the `step` of a world takes less."""
    calls = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    return any(isinstance(call.func, ast.Attribute) and call.func.attr == "step"
               and len(call.args) + len(call.keywords) == 4 for call in calls)
