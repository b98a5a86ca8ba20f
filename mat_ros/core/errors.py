# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Name the two ways in which input can be refused; every message says expected, got, and what to do."""

from __future__ import annotations


class Refused(ValueError):
    """Refuse an input: a file, a name, a number that the contract does not allow."""

    def __init__(self, what: str, expected: object, got: object, remedy: str) -> None:
        super().__init__(f"{what}: expected {expected}, got {got}; {remedy}")

    def at(self, place: str) -> Refused:
        """Give the same refusal with the place where it was found in front."""
        located = Refused.__new__(Refused)
        located.args = (f"{place}: {self}",)
        return located


class Missing(RuntimeError):
    """Say that something which has to be installed or present is not, and which command mends it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what} is missing; {remedy}")
