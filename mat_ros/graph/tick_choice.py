# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Choose whether the tick of a node runs in C++ or in Python. This module alone holds the rule.

Both decide the same bits. C++ needs neither the executor nor the interpreter's lock, so its tick is shorter. C++ lacks
some parts of a tick, and a node that needs one of them runs its tick in Python.
"""

from __future__ import annotations

from dataclasses import dataclass

from mat_ros.core.errors import Refused

TICKS = ("auto", "native", "python")  # values of the parameter `tick`
NATIVE = "native"  # name of the only backend that C++ can call


@dataclass(frozen=True)
class TickNeeds:
    """Hold what a node asks of its tick."""

    backend: str = NATIVE  # name of the backend that runs the policy
    sampled: bool = False  # the node draws its decisions
    replicated: bool = False  # the node encodes its observations itself
    inject: bool = False  # messages to the node may be broken on purpose
    lacking: str = ""  # why this machine has no C++ for the tick; empty where it has

    @property
    def hindrance(self) -> str:
        """Return why the tick cannot run in C++; empty where it can."""
        if self.backend != NATIVE:
            return f"the backend is {self.backend}"
        if self.sampled:
            return "decisions are sampled"
        if self.replicated:
            return "the node encodes observations itself"
        if self.inject:
            return "messages may be broken on purpose"
        return self.lacking


@dataclass(frozen=True)
class TickChoice:
    """Hold what runs a node's tick, and the reason where this is Python."""

    native: bool
    reason: str = ""

    def __str__(self) -> str:
        """Return the choice in words, as the descriptor of the node states it."""
        return "native" if self.native else f"python: {self.reason}"


def choose_tick(wanted: str, needs: TickNeeds) -> TickChoice:
    """Return what runs the tick of a node; refuse `native` where C++ cannot run it."""
    if wanted == "python":
        return TickChoice(False, "tick is set to python")
    hindrance = needs.hindrance
    if wanted == "native" and hindrance:
        raise Refused("tick", f"auto or python, since {hindrance}", wanted, "leave tick out")
    return TickChoice(not hindrance, hindrance)
