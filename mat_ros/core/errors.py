# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define the two errors of unusable input. Every message states what was expected, what was found, and what to do."""

from __future__ import annotations

import traceback
from typing import Any

from mat_ros.core.files import is_full

LONGEST = 2000  # characters of a message that say what was expected, and that say what was found
REFUSED = 2  # exit status of a program with unusable input; a restart would not help
INCOMPLETE = 4  # exit status of a node whose files are not whole, because the disk took no more


class Refused(ValueError):
    """Refuse an input: a file, a name or a number that the contract does not allow."""

    def __init__(self, what: str, expected: object, got: object, remedy: str) -> None:
        super().__init__(f"{what}: expected {_short(expected)}, got {_short(got)}; {remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how another process restores the error.

        By default, pickle calls the class with the message alone, which fails because the class has more arguments.
        """
        return _again, (type(self), str(self))

    @classmethod
    def quoted(cls, sentence: str) -> Refused:
        """Return a refusal with the finished sentence of another program."""
        refusal = cls.__new__(cls)
        refusal.args = (sentence,)
        return refusal

    def at(self, place: str) -> Refused:
        """Return the same refusal with the place of the mistake in front."""
        return Refused.quoted(f"{place}: {self}")


class Missing(RuntimeError):
    """Name something that has to be installed or present and is not, and the command that helps."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what} is missing; {remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how another process restores the error, as in `Refused`."""
        return _again, (type(self), str(self))


def unusable(error: OSError) -> str:
    """Return one sentence with the file that the system refuses and the reason."""
    if is_full(error):
        return (f"cannot write {error.filename or 'the output'}: {error.strerror}; free space on the disk, then run "
                "the command again")
    return f"cannot use {error.filename}: {error.strerror}" if error.filename is not None else str(error)


def foreign(error: Exception) -> str:
    """Return one line with an error of foreign code and its place."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


def _short(value: object) -> str:
    """Return a text of bounded length: whoever wrote a wrong input also chose its length."""
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _again(kind: type[Exception], message: str) -> Exception:
    error = kind.__new__(kind)
    error.args = (message,)
    return error
