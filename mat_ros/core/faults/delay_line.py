# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Hold messages back until they are due, so that a message comes late, twice, or after a later message."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from typing import Generic, TypeVar

Message = TypeVar("Message")


class DelayLine(Generic[Message]):
    """Hold messages, each with the time at which it is due."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, Message]] = []  # due in ns, number, message
        self._numbers = itertools.count()  # messages that are due at the same time keep their order

    def send(self, message: Message, delays_ns: Sequence[int], now_ns: int) -> list[Message]:
        """Store a copy of the message for each delay, and return the copies that are due at once."""
        for late_ns in delays_ns:
            if late_ns:
                heapq.heappush(self._waiting, (now_ns + late_ns, next(self._numbers), message))
        return [message for late_ns in delays_ns if not late_ns]

    def due(self, now_ns: int) -> list[Message]:
        """Remove the messages that are due, and return them in the order of their times."""
        found = []
        while self._waiting and self._waiting[0][0] <= now_ns:
            found.append(heapq.heappop(self._waiting)[2])
        return found

    @property
    def next_ns(self) -> int | None:
        """Return the time at which the next message is due; None where no message waits."""
        return self._waiting[0][0] if self._waiting else None

    def clear(self) -> None:
        """Remove every message that waits."""
        self._waiting.clear()
