# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Write and read the messages between the driver and its guests: the safety gate and the observer.

Both ends are processes of one user on one machine, so numbers have the byte order of the machine. The first byte of a
message is its kind.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mat_ros.hardware.io import Float, Reading

COMMAND, KEEP, READ, RELEASE, LEAVE = b"C", b"K", b"R", b"U", b"L"  # from a guest
ANSWER, READING, NOTHING = b"A", b"M", b"N"  # to a guest

_COMMAND = struct.Struct("=cqI")  # kind, sequence, count; then the values, and one byte per joint: it was found
_ANSWER = struct.Struct("=cq??")  # kind, sequence, taken, misplaced
_READING = struct.Struct("=cqqI")  # kind, source ns, episode, count


@dataclass(frozen=True)
class Receipt:
    """Answer whether the hardware took a command."""

    sequence: int
    taken: bool
    reason: str = ""  # why the hardware did not take the command
    misplaced: bool = False  # the robot does not stand where the gate has found it


@dataclass(frozen=True)
class DriveCommand:
    """Ask the driver to write a command."""

    sequence: int  # greater than that of the command before
    values: Float  # (joint,), in each joint's unit
    found: NDArray[np.bool_]  # (joint,): the joint was found elsewhere, and the value is its position


def write_command(command: DriveCommand) -> bytes:
    """Return the bytes of a command."""
    return (_COMMAND.pack(COMMAND, command.sequence, command.values.size)
            + np.ascontiguousarray(command.values, np.float64).tobytes() + command.found.astype(np.uint8).tobytes())


def read_command(data: bytes) -> DriveCommand:
    """Return the command of a message."""
    _, sequence, count = _COMMAND.unpack_from(data)
    if len(data) != _COMMAND.size + 9 * count:
        raise ValueError(f"command: expected {9 * count} bytes of {count} joints, got {len(data) - _COMMAND.size}")
    return DriveCommand(sequence, np.frombuffer(data, np.float64, count, _COMMAND.size),
                   np.frombuffer(data, np.uint8, count, _COMMAND.size + 8 * count) != 0)


def write_answer(answer: Receipt) -> bytes:
    """Return the bytes of an answer."""
    return _ANSWER.pack(ANSWER, answer.sequence, answer.taken, answer.misplaced) + answer.reason.encode()[:1000]


def read_answer(data: bytes) -> Receipt:
    """Return the answer of a message."""
    _, sequence, taken, misplaced = _ANSWER.unpack_from(data)
    return Receipt(sequence, taken, data[_ANSWER.size:].decode("utf-8", "replace"), misplaced)


def write_reading(reading: Reading | str) -> bytes:
    """Return the bytes of a reading, or of a text that states why there is none."""
    if isinstance(reading, str):
        return NOTHING + reading.encode()[:1000]
    signals = np.ascontiguousarray(reading.signals, np.float32)
    return _READING.pack(READING, reading.source_ns, reading.episode, signals.size) + signals.tobytes()


def read_reading(data: bytes) -> Reading | str:
    """Return the reading of a message, or the text that states why there is none."""
    if data[:1] == NOTHING:
        return data[1:].decode("utf-8", "replace")
    _, source_ns, episode, count = _READING.unpack_from(data)
    return Reading(np.frombuffer(data, np.float32, count, _READING.size), source_ns, episode)
