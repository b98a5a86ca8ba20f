# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define what a robot is to the runtime: something that is read and written, by name and in SI units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Refused
from mat_ros.core.faults.schedule import Schedule
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.tick.messages import Float32

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """What was measured at one moment."""

    signals: Float32  # (signal,), ordered as the policy's terms
    source_ns: int  # when the oldest of them was measured
    episode: int = 0  # counts resets of a simulated robot


@dataclass(frozen=True)
class Description:
    """What a robot has."""

    joints: tuple[str, ...]  # in command order
    lower: Float  # (joint,), least command in each joint's unit
    upper: Float  # (joint,)
    period_ns: int  # between commands


class HardwareIO(Protocol):
    """A robot. Only the node that guards it may write."""

    def read(self) -> Reading | None:
        """Return the newest measurements, or nothing while any is missing or too old."""
        ...

    def write(self, command: Float) -> None:
        """Send commands (joint,) in each joint's unit; the gate has checked them."""
        ...

    def describe(self) -> Description:
        """Return what the robot has."""
        ...

    def close(self) -> None:
        """Let go of the robot, which stays where the last command has left it."""
        ...


@dataclass(frozen=True)
class EpisodeResult:
    """How an episode of a simulated robot went."""

    number: int
    ticks: int
    total: float  # sum of the task's rewards
    success: bool


class SimulatedRobotIO(HardwareIO, Protocol):
    """A simulated robot: a robot that a process steps, one tick for each command, and whose episodes it begins."""

    episode: int  # counts resets

    @property
    def tick(self) -> int:
        """Return the tick of the episode."""
        ...

    def reset(self, seed: int | None = None) -> None:
        """Begin the next episode; a seed begins their sequence anew."""
        ...

    def read(self) -> Reading:
        """Return what the sensors say; a simulated robot always measures."""
        ...

    def decided(self, actions: Float32) -> None:
        """Tell with which actions (slot, act_dim) the next command came about; some tasks charge for them."""
        ...

    @property
    def ended(self) -> EpisodeResult | None:
        """Return the result once the episode is over."""
        ...

    def result(self) -> EpisodeResult | None:
        """Return how the present episode has gone so far, where a task counts anything."""
        ...

    def follow(self, schedule: Schedule) -> None:
        """Break and mend motors and sensors as a fault schedule says, from the present tick on."""
        ...


# What an adapter may offer beside: the node that observes the robot uses what is there.


@runtime_checkable
class Listening(Protocol):
    """A robot that has to be listened to before it can be read. A process that only commands it never listens."""

    def listen(self) -> None:
        """Begin to hear what the robot measures; a term that nothing gives is refused here."""
        ...

    def missing(self) -> str:
        """Name the measurements that are missing or too old; empty where all are there."""
        ...


@runtime_checkable
class HearsCommands(Protocol):
    """A robot whose measurements depend on what another process has commanded."""

    def applied(self, command: Float) -> None:
        """Take the command (joint,) that the gate has applied."""
        ...


@runtime_checkable
class Counting(Protocol):
    """A robot that counts the measurements that it did not believe."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Return how many there were of each kind."""
        ...


def description_of(manifest: Manifest) -> Description:
    """Describe the robot that a policy was trained on."""
    return Description(tuple(joint.name for joint in manifest.joints), np.array([j.lower for j in manifest.joints]),
                       np.array([j.upper for j in manifest.joints]), manifest.period_ns)


def check_command(command: Float, description: Description) -> None:
    """Refuse a command that no gate would have let through."""
    if command.shape != (len(description.joints),) or not np.isfinite(command).all():
        raise Refused("command", f"{len(description.joints)} finite values", command, "send what the gate has applied")


def check_reading(reading: Reading, manifest: Manifest) -> None:
    """Refuse measurements that are not those of the policy's terms."""
    count = manifest.layout.signal_count
    if np.shape(reading.signals) != (count,):
        wanted = ", ".join(f"{term.name} ({len(term.elements)})" for term in manifest.layout.terms)
        raise Refused("measurements of the robot", f"{count} numbers: {wanted}", np.size(reading.signals),
                      "let read() give the terms that the policy was trained with")

