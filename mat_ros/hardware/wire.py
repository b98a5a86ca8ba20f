# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Write and read what passes between the driver and its guests: the safety gate, which commands, and the observer.

Both ends are processes of one machine and one user, so numbers travel in the machine's own order. The first byte says
what a message is.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mat_ros.hardware.io import Float, Reading

COMMAND, KEEP, READ, RELEASE, LEAVE = b"C", b"K", b"R", b"U", b"L"  # from a guest
ANSWER, READING, NOTHING = b"A", b"M", b"N"  # to a guest

_COMMAND = struct.Struct("=cqI")  # kind, sequence, count; then the numbers and, per joint, whether it was found
_ANSWER = struct.Struct("=cq?")  # kind, sequence, taken
_READING = struct.Struct("=cqqI")  # kind, source ns, episode, count


@dataclass(frozen=True)
class Receipt:
    """What became of a command."""

    sequence: int
    taken: bool
    reason: str = ""  # why it was not taken


@dataclass(frozen=True)
class DriveCommand:
    """What the gate asks the driver to write."""

    sequence: int  # grows from command to command
    values: Float  # (joint,), in each joint's unit
    found: NDArray[np.bool_]  # (joint,): the joint was found elsewhere and is commanded to where it stands


def write_command(command: DriveCommand) -> bytes:
    """Write a command."""
    return (_COMMAND.pack(COMMAND, command.sequence, command.values.size)
            + np.ascontiguousarray(command.values, np.float64).tobytes() + command.found.astype(np.uint8).tobytes())


def read_command(data: bytes) -> DriveCommand:
    """Read a command."""
    _, sequence, count = _COMMAND.unpack_from(data)
    if len(data) != _COMMAND.size + 9 * count:
        raise ValueError(f"command: expected {9 * count} bytes of {count} joints, got {len(data) - _COMMAND.size}")
    return DriveCommand(sequence, np.frombuffer(data, np.float64, count, _COMMAND.size),
                   np.frombuffer(data, np.uint8, count, _COMMAND.size + 8 * count) != 0)


def write_answer(answer: Receipt) -> bytes:
    """Write an answer."""
    return _ANSWER.pack(ANSWER, answer.sequence, answer.taken) + answer.reason.encode()[:1000]


def read_answer(data: bytes) -> Receipt:
    """Read an answer."""
    _, sequence, taken = _ANSWER.unpack_from(data)
    return Receipt(sequence, taken, data[_ANSWER.size:].decode("utf-8", "replace"))


def write_reading(reading: Reading | str) -> bytes:
    """Write a reading, or why there is none."""
    if isinstance(reading, str):
        return NOTHING + reading.encode()[:1000]
    signals = np.ascontiguousarray(reading.signals, np.float32)
    return _READING.pack(READING, reading.source_ns, reading.episode, signals.size) + signals.tobytes()


def read_reading(data: bytes) -> Reading | str:
    """Read a reading, or why there is none."""
    if data[:1] == NOTHING:
        return data[1:].decode("utf-8", "replace")
    _, source_ns, episode, count = _READING.unpack_from(data)
    return Reading(np.frombuffer(data, np.float32, count, _READING.size), source_ns, episode)
