# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Gather the recorded messages of each tick while a file is read, so that few ticks are in memory at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

from mat_ros.core.record.mcap import Message

Key = TypeVar("Key", bound=Hashable)
Said = list[tuple[str, Message]]  # plain topic and message, in the order of writing


class Ticks(Generic[Key]):
    """Gather recorded messages by tick. A first pass counts the messages of each tick; a second pass gathers them."""

    def __init__(self, messages: Callable[[], Iterator[tuple[str, Message]]],
                 key: Callable[[str, Message], Key | None]) -> None:
        """Count the messages. `messages` starts a pass; `key` returns the tick of a message, or None to omit it."""
        self._messages, self._key = messages, key
        self.counts = Counter(name for topic, message in messages() if (name := key(topic, message)) is not None)

    def __iter__(self) -> Iterator[tuple[Key, Said]]:
        """Yield every tick as soon as its last message is read. The messages may stand anywhere in the file."""
        gathered: dict[Key, Said] = {}
        for topic, message in self._messages():
            if (name := self._key(topic, message)) is None:
                continue
            said = gathered.setdefault(name, [])
            said.append((topic, message))
            if len(said) == self.counts[name]:
                yield name, gathered.pop(name)
