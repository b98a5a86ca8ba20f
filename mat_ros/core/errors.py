# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Name the two ways in which input can be refused; every message says expected, got, and what to do."""

from __future__ import annotations

import traceback
from typing import Any

REFUSED = 2  # exit status of a program that cannot run as it is set up: starting it again would not help


class Refused(ValueError):
    """Refuse an input: a file, a name, a number that the contract does not allow."""

    def __init__(self, what: str, expected: object, got: object, remedy: str) -> None:
        super().__init__(f"{what}: expected {expected}, got {got}; {remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Reach another process whole: an exception is otherwise made again from its message alone, and cannot be."""
        return _again, (type(self), str(self))

    @classmethod
    def quoted(cls, sentence: str) -> Refused:
        """Return a refusal that another program has already put into words."""
        refusal = cls.__new__(cls)
        refusal.args = (sentence,)
        return refusal

    def at(self, place: str) -> Refused:
        """Return the same refusal with the place where it was found in front."""
        return Refused.quoted(f"{place}: {self}")


class Missing(RuntimeError):
    """Say that something which has to be installed or present is not, and which command mends it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what} is missing; {remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Reach another process whole."""
        return _again, (type(self), str(self))


def unusable(error: OSError) -> str:
    """Say in one sentence which file the system refuses, and why."""
    return f"cannot use {error.filename}: {error.strerror}" if error.filename is not None else str(error)


def foreign(error: Exception) -> str:
    """Say in one line what went wrong in code that is not ours, and where."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


def _again(kind: type[Exception], message: str) -> Exception:
    error = kind.__new__(kind)
    error.args = (message,)
    return error
