# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Name the parts of an MCAP file, the container of recordings: mcap.dev describes the format.

A file is a row of records, each with an opcode and a length. Messages lie in chunks, which have a checksum and an index
each. A summary at the end of the file says where the chunks are. A process that is killed leaves a file without its
summary: everything that stands before the end of the file is still readable, record by record.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mat_ros.core.errors import Refused

MAGIC = b"\x89MCAP0\r\n"
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, CHUNK_INDEX = range(1, 9)
STATISTICS, METADATA, METADATA_INDEX, SUMMARY_OFFSET, DATA_END = 0x0B, 0x0C, 0x0D, 0x0E, 0x0F
RECORD_HEAD = struct.Struct("<BQ")  # opcode, length
MESSAGE_HEAD = struct.Struct("<HIQQ")  # channel, sequence, time of recording, time of publication
FOOTER_BODY = struct.Struct("<QQI")  # where the summary starts, where its offsets start, checksum of both
ENCODING = "cdr"  # how ROS 2 writes messages


@dataclass(frozen=True)
class Message:
    """One recorded message."""

    topic: str
    type: str  # as in `mat_ros/msg/Baton`
    time_ns: int
    sequence: int
    data: bytes


@dataclass(frozen=True)
class Survey:
    """What a file holds beside its messages."""

    metadata: Mapping[str, Mapping[str, str]]  # by name; of several records of one name the last
    counts: Mapping[str, int]  # messages by topic
    first_ns: int  # the earliest time of a message
    last_ns: int  # the latest
    truncated: bool  # the end is missing


class Source(Protocol):
    """What reads one file, as often as it is asked to."""

    @property
    def survey(self) -> Survey:
        """Return what the file holds beside its messages."""
        ...

    def messages(self, topics: Collection[str] | None = None, start_ns: int = 0, stop_ns: int | None = None
                 ) -> Iterator[Message]:
        """Yield the messages with start_ns <= time < stop_ns in the order of writing; no topics: those of all."""
        ...


class Parts:
    """Walk through the fields of one record."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.place = data, 0

    def take(self, size: int) -> memoryview:
        """Return the next bytes."""
        if self.place + size > len(self.data):
            raise struct.error(f"{size} bytes wanted, {len(self.data) - self.place} left")
        self.place += size
        return self.data[self.place - size:self.place]

    def number(self, code: str) -> int:
        """Return the next number, of a type as `struct` names it."""
        return int(struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0])

    def text(self) -> str:
        """Return the next text."""
        return bytes(self.take(self.number("I"))).decode()

    def texts(self) -> dict[str, str]:
        """Return the next map of texts."""
        stop = self.number("I") + self.place
        found = {}
        while self.place < stop:
            key = self.text()
            found[key] = self.text()
        return found


def check_encoding(topic: str, encoding: str) -> None:
    """Refuse a topic whose messages are written in another way than ROS 2 writes them."""
    if encoding != ENCODING:
        raise Refused(f"recorded topic {topic}", f"{ENCODING} messages", encoding, "record it with ROS 2 or mat-ros")


def broken(path: Path, error: Exception) -> Refused:
    """Return the refusal of a file whose records contradict the format."""
    return Refused(f"recording {path}", "whole records", f"trouble with {error!r}", "record it anew")


def wrong_checksum(path: Path, expected: int, got: int) -> Refused:
    """Return the refusal of a file with a damaged chunk."""
    return Refused(f"recording {path}, chunk", f"checksum {expected:08x}", f"{got:08x}", "copy the file anew")
