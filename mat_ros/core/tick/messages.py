# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define what travels in a tick, in the order in which it travels."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]  # what policies compute in and messages carry
Float = NDArray[np.float64]  # what commands are computed in


@dataclass(frozen=True)
class Observation:
    """What was measured for one tick."""

    tick: int
    start_ns: int  # when the tick began
    deadline_ns: int  # when the safety gate applies what it has
    source_ns: int  # when the oldest value was measured
    episode: int  # counts resets of the robot or world
    signals: Float32  # (signal,), ordered as the manifest's terms


@dataclass(frozen=True)
class Encoding:
    """The encoded observation of one tick, the same for every node."""

    tick: int
    start_ns: int  # when the tick began
    deadline_ns: int  # when the safety gate applies what it has
    source_ns: int  # when the oldest measurement was taken; travels unchanged to the command
    enc: Float32  # (n, enc_dim)


class Validity(enum.IntEnum):
    """How an entry of the chain came to be."""

    OWN = 0  # its own node decided it
    REDECIDED = 1  # another node ran its step
    HELD = 2  # its joint is out: it stays where it is
    ZERO = 3  # its joint is out: it gives no effort


@dataclass(frozen=True)
class Prefix:
    """What slots 0 .. k-1 have decided, and the state that slot k receives: all that is needed to go on."""

    actions: Float32  # (k, act_dim): what the successors are told, in policy units
    validity: NDArray[np.uint8]  # (k,)
    state: Float32

    @property
    def slots(self) -> int:
        """Return how many slots have decided."""
        return len(self.actions)

    def same_bits(self, other: Prefix) -> bool:
        """Return whether a successor would see any difference."""
        return self.actions.tobytes() == other.actions.tobytes() and self.state.tobytes() == other.state.tobytes()


@dataclass(frozen=True)
class Override:
    """What successors are told of a slot whose joint is out, instead of its intention."""

    share: Float32  # (act_dim,): how much of each intended action the joint really does, as in training
    validity: Validity  # HELD or ZERO


@dataclass(frozen=True)
class Baton:
    """What a slot hands to the next ones."""

    tick: int
    source_ns: int
    revision: int  # of the same slot in the same tick; a later one replaces an earlier one
    prefix: Prefix

    @property
    def rank(self) -> tuple[int, int]:
        """Order batons of one tick: the one that knows more slots, then the later one."""
        return self.prefix.slots, self.revision


@dataclass(frozen=True)
class Decision:
    """What a node asks of the safety gate: for its own slots, and for others in case their nodes are silent."""

    tick: int
    source_ns: int
    revision: int
    first: int  # first slot that the node owns
    stop: int  # first slot that it does not own any more
    actions: Float32  # (slot, act_dim) from slot 0 on
    validity: NDArray[np.uint8]  # (slot,)


@dataclass(frozen=True)
class Applied:
    """What reached the gate, what left it, and why they differ. Arrays are (joint,)."""

    requested: Float
    applied: Float
    reasons: NDArray[np.uint16]
    stopped: bool  # a stop is latched on at least one joint


@dataclass(frozen=True)
class Outcome:
    """What one tick came to."""

    tick: int
    source_ns: int
    actions: Float32  # (slot, act_dim), NaN where nobody decided
    validity: NDArray[np.uint8]  # (slot,): Validity, or NONE
    applied: Applied
    latency_ns: int  # from the start of the tick until it was applied
