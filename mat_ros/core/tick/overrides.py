# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Apply a notice about broken joints in the same tick in every node.

Nodes may receive the notice in different ticks.
"""

from __future__ import annotations

from collections.abc import Mapping

from mat_ros.core.tick.messages import Override

KEPT = 16  # notices that a node stores


class Notices:
    """Store the notices about broken joints, each with the first tick in which it holds."""

    def __init__(self, kept: int | None = KEPT) -> None:
        self._kept = kept
        self._notices: list[tuple[int, Mapping[int, Override]]] = []

    def add(self, tick: int, overrides: Mapping[int, Override]) -> None:
        """Store a notice: from a tick on, these overrides hold and no others."""
        self._notices.append((tick, dict(overrides)))
        if self._kept is not None:
            del self._notices[:-self._kept]

    def at(self, tick: int) -> Mapping[int, Override]:
        """Return the overrides of a tick: those of the newest notice whose first tick has come."""
        due = [overrides for start, overrides in self._notices if start <= tick]
        return due[-1] if due else {}
