# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define the messages of a tick, in the order in which nodes send them."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]  # type of policies and messages
Float = NDArray[np.float64]  # type of commands


@dataclass(frozen=True)
class Observation:
    """Hold the measurements of one tick."""

    tick: int
    start_ns: int  # when the tick began
    deadline_ns: int  # when the safety gate applies the decisions that are there
    source_ns: int  # when the oldest value was measured
    episode: int  # number of resets of the robot or world
    signals: Float32  # (signal,), ordered as the manifest's terms


@dataclass(frozen=True)
class Encoding:
    """Hold the encoded observation of one tick. Every node receives the same encoding."""

    tick: int
    start_ns: int  # when the tick began
    deadline_ns: int  # when the safety gate applies the decisions that are there
    source_ns: int  # when the oldest value was measured; every later message of the tick carries the same time
    enc: Float32  # (n, enc_dim)


class Validity(enum.IntEnum):
    """Name the origin of a slot's entry in the chain."""

    OWN = 0  # the slot's own node decided
    REDECIDED = 1  # another node ran the slot's step
    HELD = 2  # the slot's joint is broken and does not move
    ZERO = 3  # the slot's joint is broken and exerts no effort


@dataclass(frozen=True)
class Prefix:
    """Hold the entries of slots 0 .. k-1 and the state for slot k. Slot k needs nothing else from its predecessors."""

    actions: Float32  # (k, act_dim): actions that the successors receive, in policy units
    validity: NDArray[np.uint8]  # (k,)
    state: Float32

    @property
    def slots(self) -> int:
        """Return the number of slots that have decided, k."""
        return len(self.actions)

    def same_bits(self, other: Prefix) -> bool:
        """Return whether actions and state are the same to the bit. The validity is no input of `step`."""
        return self.actions.tobytes() == other.actions.tobytes() and self.state.tobytes() == other.state.tobytes()


@dataclass(frozen=True)
class Override:
    """Describe what a slot with a broken joint really does. Successors receive this instead of the intended action."""

    share: Float32  # (act_dim,): share of each intended action that the joint really does, as in training
    validity: Validity  # HELD or ZERO


@dataclass(frozen=True)
class Baton:
    """Carry the prefix from a chain node to the next nodes."""

    tick: int
    source_ns: int
    revision: int  # revision of the sender's baton in this tick; a higher revision replaces a lower one
    prefix: Prefix

    @property
    def rank(self) -> tuple[int, int]:
        """Return the key that orders the batons of one tick: first the number of slots, then the revision."""
        return self.prefix.slots, self.revision


@dataclass(frozen=True)
class Decision:
    """Carry a node's actions to the safety gate.

    A decision holds the node's own slots, and the others as well, for the case that their nodes send nothing.
    """

    tick: int
    source_ns: int
    revision: int
    first: int  # first slot that the node owns
    stop: int  # one after the last slot that the node owns
    actions: Float32  # (slot, act_dim) from slot 0 on
    validity: NDArray[np.uint8]  # (slot,)


@dataclass(frozen=True)
class Applied:
    """Hold the requested and the applied command, and the reasons for their differences. Arrays are (joint,)."""

    requested: Float
    applied: Float
    reasons: NDArray[np.uint16]
    stopped: bool  # a stop is latched on at least one joint
    number: int = 0  # commands that this gate computed before this one
    elapsed_ns: int = 0  # time that the gate counted since the hardware took the last command; at most one period
    blend: float = 1.0  # share of the requests after an activation
    events: int = 0  # `core.tick.safety.GateEvent`: what happened to the gate since the last command


@dataclass(frozen=True)
class Outcome:
    """Hold the result of one tick."""

    tick: int
    source_ns: int
    actions: Float32  # (slot, act_dim), NaN where no node decided
    validity: NDArray[np.uint8]  # (slot,): Validity, or NONE
    applied: Applied
    latency_ns: int  # from the start of the tick to the command
