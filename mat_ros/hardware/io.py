# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define the interface of a robot: the runtime reads and writes a robot by name and in SI units."""

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
    """The measurements of one moment."""

    signals: Float32  # (signal,), ordered as the policy's terms
    source_ns: int  # time of the oldest measurement
    episode: int = 0  # number of resets of a simulated robot


@dataclass(frozen=True)
class Description:
    """The joints, the limits and the period of a robot."""

    joints: tuple[str, ...]  # in command order
    lower: Float  # (joint,), smallest command in each joint's unit
    upper: Float  # (joint,), largest command
    period_ns: int  # between two commands


class HardwareIO(Protocol):
    """A robot. Only the driver may write."""

    def read(self) -> Reading | None:
        """Return the newest measurements, or None while any of them is missing or too old."""
        ...

    def write(self, command: Float) -> None:
        """Send commands (joint,) in each joint's unit; the gate has checked them."""
        ...

    def describe(self) -> Description:
        """Return the joints, the limits and the period of the robot."""
        ...

    def close(self) -> None:
        """Release the robot, which stays where the last command has moved it."""
        ...


@dataclass(frozen=True)
class EpisodeResult:
    """The result of one episode of a simulated robot."""

    number: int
    ticks: int
    total: float  # sum of the task's rewards
    reached: bool  # the task was done at least once
    success: bool  # the task was done at the end, and had been for half a second


@runtime_checkable
class HearsActions(Protocol):
    """A simulated robot whose task may charge for actions."""

    def decided(self, actions: Float32) -> None:
        """Take the actions (slot, act_dim) behind the next command."""
        ...


class SimulatedRobotIO(HardwareIO, HearsActions, Protocol):
    """A simulated robot: a process steps it, one tick for each command, and begins its episodes."""

    episode: int  # number of resets

    @property
    def tick(self) -> int:
        """Return the tick of the episode."""
        ...

    def reset(self, seed: int | None = None) -> None:
        """Begin the next episode; a seed restarts the sequence of episodes."""
        ...

    def read(self) -> Reading:
        """Return the readings of the sensors; a simulated robot always has measurements."""
        ...

    @property
    def ended(self) -> EpisodeResult | None:
        """Return the result once the episode is over."""
        ...

    def result(self) -> EpisodeResult | None:
        """Return the result of the present episode so far; None where no task counts rewards."""
        ...

    def follow(self, schedule: Schedule) -> None:
        """Apply a fault schedule to motors and sensors, from the present tick on."""
        ...


# The protocols below are optional for an adapter. The process that owns the adapter uses those that the adapter has.


@runtime_checkable
class Listening(Protocol):
    """A robot that is read after `listen`. A process that only commands the robot never calls `listen`."""

    def listen(self) -> None:
        """Begin to receive measurements; refuse a term of the policy that no topic measures."""
        ...

    def missing(self) -> str:
        """Return the names of missing or too old measurements; empty when all are present."""
        ...


@runtime_checkable
class HearsCommands(Protocol):
    """A robot whose measurements depend on the commands of another process."""

    def applied(self, command: Float) -> None:
        """Take the command (joint,) that the gate has applied."""
        ...


@runtime_checkable
class Preparing(Protocol):
    """A robot whose first command would take longer than the others."""

    def prepare(self) -> object:
        """Make everything that a command needs, before the first one."""
        ...


@runtime_checkable
class Expiring(Protocol):
    """A robot whose drive has a timeout of its own, which also acts when the driver hangs or its machine stops."""

    def expire_after(self, seconds: float) -> None:
        """Let the drive end every speed and effort when no command comes for so long."""
        ...


@runtime_checkable
class Counting(Protocol):
    """A robot that counts the measurements that it rejects."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Return the number of rejected measurements, by reason."""
        ...


def description_of(manifest: Manifest) -> Description:
    """Return the description of the robot that a policy was trained on."""
    return Description(tuple(joint.name for joint in manifest.joints), np.array([j.lower for j in manifest.joints]),
                       np.array([j.upper for j in manifest.joints]), manifest.period_ns)


def check_command(command: Float, description: Description) -> None:
    """Refuse a command of a wrong length or with a value that is not finite; the gate sends no such command."""
    if command.shape != (len(description.joints),) or not np.isfinite(command).all():
        raise Refused("command", f"{len(description.joints)} finite values", command, "send what the gate has applied")


def check_reading(reading: Reading, manifest: Manifest) -> None:
    """Refuse measurements whose number differs from the policy's terms."""
    count = manifest.layout.signal_count
    if np.shape(reading.signals) != (count,):
        wanted = ", ".join(f"{term.name} ({len(term.elements)})" for term in manifest.layout.terms)
        raise Refused("measurements of the robot", f"{count} numbers: {wanted}", np.size(reading.signals),
                      "let read() give the terms that the policy was trained with")

