# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Let every node change over to what is known of broken joints in the same tick, whenever it heard of it."""

from __future__ import annotations

from collections.abc import Mapping

from mat_ros.core.tick.messages import Override

KEPT = 16  # notices that may wait for their tick


class Notices:
    """What has been said of broken joints, and from which tick on each word holds."""

    def __init__(self, kept: int | None = KEPT) -> None:
        self._kept = kept
        self._notices: list[tuple[int, Mapping[int, Override]]] = []

    def add(self, tick: int, overrides: Mapping[int, Override]) -> None:
        """Hear that these overrides, and no others, hold from a tick on."""
        self._notices.append((tick, dict(overrides)))
        if self._kept is not None:
            del self._notices[:-self._kept]

    def at(self, tick: int) -> Mapping[int, Override]:
        """Return the overrides of a tick: the word that came last among those whose tick has come."""
        due = [overrides for start, overrides in self._notices if start <= tick]
        return due[-1] if due else {}
