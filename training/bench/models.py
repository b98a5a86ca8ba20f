# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Measure how long deciding and learning take, compared with the plain way.

    python -m training.bench models --json                        MAT, MARWKV v4 and the hybrid
    python -m training.bench models --policies mat --agents 6      MAT with six agents

Times are microseconds of one thread's CPU time, the smallest of many short windows, so other programs on the machine
disturb them little. naive: the whole decoder runs once per slot, as published. step: one pass with carried state.
compiled: the forms of `compile_forms`. update: forward and backward of `evaluate` on 100 joint samples.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from training.models.actions import GaussianActions
from training.models.compiled import compile_forms
from training.models.config import MIXERS_OF, policy_config
from training.models.policy import Policy, build_policy
from training.models.reference import PlainMat, decide_naively

OBS_DIM, ACT_DIM = 13, 1  # HalfCheetah, one joint per agent
UPDATE_SAMPLES, UPDATE_AGENTS = 100, 6
Evaluate = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor, torch.Tensor]]


def shortest_us(calls: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Return the CPU time of each call's quickest run, in microseconds.

    The calls take turns, so that a busy minute of the machine affects all of them.
    """
    for call in calls.values():  # the first calls compile the forms and settle the allocator
        call()
        call()
    shortest = {name: _cpu_seconds(call) for name, call in calls.items()}
    end = time.perf_counter() + seconds * len(calls)
    while time.perf_counter() < end:
        for name, call in calls.items():
            shortest[name] = min(shortest[name], _cpu_seconds(call))
    return {name: round(least * 1e6, 1) for name, least in shortest.items()}


def _cpu_seconds(call: Callable[[], object]) -> float:
    start = time.thread_time()
    call()
    return time.thread_time() - start


def measure_act(policy: Policy, batch: int, seconds: float) -> dict[str, float]:
    """Return the times of one tick for `batch` robots at once."""
    obs = torch.randn(batch, policy.config.agents, OBS_DIM)
    assert isinstance(policy.actions, GaussianActions)
    std = policy.actions.std().detach()
    forms = compile_forms(policy)

    @torch.no_grad()
    def naive() -> None:
        enc, _ = policy.encode_with_values(obs)
        decide_naively(policy.decoder.parallel, enc, std)

    plain = PlainMat(policy) if (policy.config.encoder, policy.config.decoder) == ("attention", "attention") else None
    calls: dict[str, Callable[[], object]] = {
        "naive_us": naive if plain is None else lambda: plain.act(obs),
        "step_us": lambda: policy.act(obs),
        "compiled_us": lambda: forms.act(obs),
    }
    return shortest_us(calls, seconds)


def measure_update(policy: Policy, seconds: float) -> dict[str, float]:
    """Return the times of forward and backward of `evaluate` over all parameters."""
    obs = torch.randn(UPDATE_SAMPLES, UPDATE_AGENTS, OBS_DIM)
    actions = torch.randn(UPDATE_SAMPLES, UPDATE_AGENTS, ACT_DIM)

    def update(model: torch.nn.Module, evaluate: Evaluate) -> Callable[[], None]:
        def once() -> None:
            model.zero_grad(set_to_none=True)
            log_probs, entropy, values = evaluate(obs, actions)
            (log_probs.mean() + entropy.mean() + values.mean()).backward()

        return once

    calls: dict[str, Callable[[], object]] = {}
    if (policy.config.encoder, policy.config.decoder) == ("attention", "attention"):
        plain = PlainMat(policy)
        calls["plain_us"] = update(plain, plain.evaluate)
    calls["eager_us"] = update(policy, policy.evaluate)
    calls["compiled_us"] = update(policy, compile_forms(policy).evaluate)
    return shortest_us(calls, seconds)


def measure(policies: list[str], agents: list[int], batches: list[int], seconds: float) -> dict[str, Any]:
    """Return all measurements, with the machine and the package versions."""
    report: dict[str, Any] = {"act": {}, "update": {}}
    for name in policies:
        by_agents = report["act"].setdefault(name, {})
        for n in agents:
            for batch in batches:
                torch.manual_seed(0)
                torch._dynamo.reset()
                policy = build_policy(policy_config(name, n, OBS_DIM, ACT_DIM))
                by_agents.setdefault(str(n), {})[str(batch)] = measure_act(policy, batch, seconds)
        torch.manual_seed(0)
        torch._dynamo.reset()
        policy = build_policy(policy_config(name, UPDATE_AGENTS, OBS_DIM, ACT_DIM))
        report["update"][name] = measure_update(policy, seconds)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    report["machine"] = {"processor": platform.machine(), "threads": torch.get_num_threads(), "load_average": load}
    report["versions"] = {"python": platform.python_version(), "torch": torch.__version__}
    return report


def print_report(report: dict[str, Any]) -> None:
    """Print one line per measurement, with the gain over the plain way."""
    for name, by_agents in report["act"].items():
        for agents, by_batch in by_agents.items():
            for batch, times in by_batch.items():
                gains = ", ".join(
                    f"{key} {value:.0f} ({times['naive_us'] / value:.1f}x)" for key, value in times.items()
                )
                print(f"act     {name:8} n={agents:>2} batch={batch:>2}   {gains}")
    for name, times in report["update"].items():
        first = next(iter(times.values()))
        gains = ", ".join(f"{key} {value:.0f} ({first / value:.2f}x)" for key, value in times.items())
        print(f"update  {name:8} {UPDATE_SAMPLES} x {UPDATE_AGENTS}      {gains}")


def main(arguments: Sequence[str]) -> int:
    """Run `python -m training.bench models`."""
    parser = argparse.ArgumentParser(
        prog="python -m training.bench models", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--policies", nargs="+", choices=tuple(MIXERS_OF), default=["mat", "marwkv4", "hybrid"])
    parser.add_argument("--agents", nargs="+", type=int, default=[6, 26, 52])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 40])
    parser.add_argument("--seconds", type=float, default=1.0, help="seconds of measuring per figure")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    report = measure(given.policies, given.agents, given.batches, given.seconds)
    if given.json:
        print(json.dumps(report, indent=1))
    else:
        print_report(report)
    return 0
