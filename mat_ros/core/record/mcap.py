# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Name the parts of an MCAP file, the container of recordings. mcap.dev describes the format.

A file is a row of records, each with an opcode and a length. Messages lie in chunks. Each chunk has a checksum and an
index. A summary at the end of the file lists the places of the chunks. A killed process leaves a file without a
summary. Such a file is still readable to its end, record by record.
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
FOOTER_BODY = struct.Struct("<QQI")  # start of the summary, start of its offsets, checksum of both
ENCODING = "cdr"  # encoding of ROS 2 messages


@dataclass(frozen=True)
class Message:
    """Hold one recorded message."""

    topic: str
    type: str  # as in `mat_ros/msg/Baton`
    time_ns: int
    sequence: int
    data: bytes


@dataclass(frozen=True)
class Survey:
    """Hold a file's metadata, and the number and the times of its messages."""

    metadata: Mapping[str, Mapping[str, str]]  # by name; the last record of a name counts
    counts: Mapping[str, int]  # messages by topic
    first_ns: int  # earliest time of a message
    last_ns: int  # latest time of a message
    truncated: bool  # the end of the file is missing


class Source(Protocol):
    """Read one file, as often as a caller needs."""

    @property
    def survey(self) -> Survey:
        """Return the survey of the file."""
        ...

    def messages(self, topics: Collection[str] | None = None, start_ns: int = 0, stop_ns: int | None = None
                 ) -> Iterator[Message]:
        """Yield the messages with start_ns <= time < stop_ns in the order of writing; None: all topics."""
        ...


class Parts:
    """Read the fields of one record, one after the other."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.place = data, 0

    def take(self, size: int) -> memoryview:
        """Return the next `size` bytes."""
        if self.place + size > len(self.data):
            raise struct.error(f"{size} bytes wanted, {len(self.data) - self.place} left")
        self.place += size
        return self.data[self.place - size:self.place]

    def number(self, code: str) -> int:
        """Return the next number. `code` is the type in the codes of `struct`."""
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
    """Refuse a topic whose messages do not have the encoding of ROS 2."""
    if encoding != ENCODING:
        raise Refused(f"recorded topic {topic}", f"{ENCODING} messages", encoding, "record it with ROS 2 or mat-ros")


def broken(path: Path, error: Exception) -> Refused:
    """Return the refusal of a file whose records contradict the format."""
    return Refused(f"recording {path}", "whole records", f"trouble with {error!r}", "record it anew")


def wrong_checksum(path: Path, expected: int, got: int) -> Refused:
    """Return the refusal of a file with a damaged chunk."""
    return Refused(f"recording {path}, chunk", f"checksum {expected:08x}", f"{got:08x}", "copy the file anew")
