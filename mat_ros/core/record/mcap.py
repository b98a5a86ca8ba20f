# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Write and read MCAP, the container of recordings, as far as ROS 2 recordings need it: mcap.dev describes the format.

Messages go into chunks with a checksum each. A file whose end is missing (power cut, crash) holds every chunk that was
finished, and reading it says so instead of failing. Compression is left out: numbers of policies hardly compress, and
the standard library has neither of the two methods that the format knows.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mat_ros.core.errors import Refused

MAGIC = b"\x89MCAP0\r\n"
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, CHUNK_INDEX = range(1, 9)
STATISTICS, METADATA, METADATA_INDEX, SUMMARY_OFFSET, DATA_END = 0x0B, 0x0C, 0x0D, 0x0E, 0x0F
CHUNK_BYTES = 256 * 1024  # what a crash may cost


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<I", len(data)) + data


def _strings(values: Mapping[str, str]) -> bytes:
    data = b"".join(_string(key) + _string(value) for key, value in values.items())
    return struct.pack("<I", len(data)) + data


def _record(opcode: int, content: bytes) -> bytes:
    return struct.pack("<BQ", opcode, len(content)) + content


@dataclass(frozen=True)
class Message:
    """One recorded message."""

    topic: str
    type: str  # as in `mat_ros/msg/Baton`
    time_ns: int
    sequence: int
    data: bytes


class Writer:
    """Write a file chunk by chunk. Topics are declared by their first message."""

    def __init__(self, path: Path, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._file: BinaryIO = path.open("wb")
        self._chunk_bytes = chunk_bytes
        self._chunk = bytearray()
        self._times: list[int] = []
        self._indices: dict[int, list[tuple[int, int]]] = {}
        self._schemas: dict[str, tuple[int, bytes]] = {}
        self._channels: dict[str, tuple[int, bytes]] = {}
        self._counts: dict[int, int] = {}
        self._chunk_records: list[bytes] = []  # for the index at the end
        self._metadata_records: list[bytes] = []
        self._span: tuple[int, int] | None = None
        self._file.write(MAGIC + _record(HEADER, _string("ros2") + _string("mat_ros")))

    def metadata(self, name: str, values: Mapping[str, str]) -> None:
        """Write named texts."""
        record = _record(METADATA, _string(name) + _strings(values))
        self._metadata_records.append(struct.pack("<QQ", self._file.tell(), len(record)) + _string(name))
        self._file.write(record)
        self._file.flush()

    def write(self, topic: str, kind: str, schema: str, time_ns: int, data: bytes) -> None:
        """Add a message of a type whose definition is `schema`."""
        channel = self._channel(topic, kind, schema)
        count = self._counts[channel]
        self._counts[channel] = count + 1
        self._indices.setdefault(channel, []).append((time_ns, len(self._chunk)))
        head = struct.pack("<HIQQ", channel, count & 0xFFFFFFFF, time_ns, time_ns)
        self._chunk += struct.pack("<BQ", MESSAGE, len(head) + len(data)) + head + data
        self._times.append(time_ns)
        if len(self._chunk) >= self._chunk_bytes:
            self.flush()

    def _channel(self, topic: str, kind: str, schema: str) -> int:
        if topic not in self._channels:
            if kind not in self._schemas:
                number, text = len(self._schemas) + 1, schema.encode()
                body = struct.pack("<H", number) + _string(kind) + _string("ros2msg")
                self._schemas[kind] = number, _record(SCHEMA, body + struct.pack("<I", len(text)) + text)
                self._chunk += self._schemas[kind][1]
            channel = len(self._channels)
            body = struct.pack("<HH", channel, self._schemas[kind][0]) + _string(topic) + _string("cdr") + _strings({})
            self._channels[topic] = channel, _record(CHANNEL, body)
            self._counts[channel] = 0
            self._chunk += self._channels[topic][1]
        return self._channels[topic][0]

    def flush(self) -> None:
        """Finish the chunk, so that what is in it survives a crash."""
        if not self._times:
            return
        first, last, data = min(self._times), max(self._times), bytes(self._chunk)
        span = struct.pack("<QQ", first, last)
        start = self._file.tell()
        self._file.write(_record(CHUNK, span + struct.pack("<QI", len(data), zlib.crc32(data)) + _string("")
                                 + struct.pack("<Q", len(data)) + data))
        length = self._file.tell() - start
        offsets, index_start = b"", self._file.tell()
        for channel, entries in self._indices.items():
            offsets += struct.pack("<HQ", channel, self._file.tell())
            rows = b"".join(struct.pack("<QQ", *entry) for entry in entries)
            self._file.write(_record(MESSAGE_INDEX, struct.pack("<HI", channel, len(rows)) + rows))
        self._chunk_records.append(_record(
            CHUNK_INDEX, span + struct.pack("<QQI", start, length, len(offsets)) + offsets
            + struct.pack("<Q", self._file.tell() - index_start) + _string("")
            + struct.pack("<QQ", len(data), len(data))))
        self._span = (first, last) if self._span is None else (min(self._span[0], first), max(self._span[1], last))
        self._chunk.clear()
        self._times.clear()
        self._indices.clear()
        self._file.flush()

    def close(self) -> None:
        """Finish the file with its index."""
        if self._file.closed:
            return
        self.flush()
        self._file.write(_record(DATA_END, struct.pack("<I", 0)))
        start = self._file.tell()
        groups = {
            SCHEMA: [record for _, record in self._schemas.values()],
            CHANNEL: [record for _, record in self._channels.values()],
            STATISTICS: [_record(STATISTICS, self._statistics())],
            CHUNK_INDEX: self._chunk_records,
            METADATA_INDEX: [_record(METADATA_INDEX, body) for body in self._metadata_records],
        }
        offsets = []
        for opcode, records in groups.items():
            place = self._file.tell()
            self._file.write(b"".join(records))
            if records:
                offsets.append(_record(SUMMARY_OFFSET, struct.pack("<BQQ", opcode, place, self._file.tell() - place)))
        offset_start = self._file.tell()
        self._file.write(b"".join(offsets))
        self._file.write(_record(FOOTER, struct.pack("<QQI", start, offset_start, 0)) + MAGIC)
        self._file.close()

    def _statistics(self) -> bytes:
        counts = b"".join(struct.pack("<HQ", channel, count) for channel, count in self._counts.items())
        return struct.pack("<QHIIII", sum(self._counts.values()), len(self._schemas), len(self._channels), 0,
                           len(self._metadata_records), len(self._chunk_records)
                           ) + struct.pack("<QQI", *(self._span or (0, 0)), len(counts)) + counts


@dataclass
class Contents:
    """What a file holds."""

    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)  # in the order of writing
    schemas: dict[str, str] = field(default_factory=dict)  # type -> definition
    truncated: bool = False  # the end is missing; what follows the last whole chunk is lost


def read(path: Path) -> Contents:
    """Read a file, up to its last whole chunk where the end is missing."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Refused(f"recording {path}", "a readable file", error.strerror, "correct the path") from error
    if data[:8] != MAGIC:
        raise Refused(f"recording {path}", "an MCAP file", f"a file that begins with {data[:8]!r}", "name a recording")
    found = Contents(truncated=True)
    channels: dict[int, tuple[str, str]] = {}
    schemas: dict[int, tuple[str, str]] = {}
    try:
        for opcode, body in _records(memoryview(data)[8:]):
            if opcode == DATA_END:
                found.truncated = False
                break
            if opcode == CHUNK:
                for inner, content in _records(_chunk(path, body)):
                    _take(inner, content, schemas, channels, found)
            else:
                _take(opcode, body, schemas, channels, found)
    except _EndError:
        pass
    except (struct.error, UnicodeDecodeError, KeyError) as error:
        raise Refused(f"recording {path}", "whole records", f"trouble with {error!r}", "record it anew") from error
    return found


def _take(opcode: int, body: memoryview, schemas: dict[int, tuple[str, str]], channels: dict[int, tuple[str, str]],
          found: Contents) -> None:
    parts = _Parts(body)
    if opcode == SCHEMA:
        number, name, _ = parts.number("H"), parts.text(), parts.text()
        schemas[number] = name, bytes(parts.take(parts.number("I"))).decode()
        found.schemas[name] = schemas[number][1]
    elif opcode == CHANNEL:
        number, schema, topic, encoding = parts.number("H"), parts.number("H"), parts.text(), parts.text()
        if encoding != "cdr":
            raise Refused(f"recorded topic {topic}", "cdr messages", encoding, "record it with ROS 2 or mat-ros")
        channels[number] = topic, schemas[schema][0]
    elif opcode == MESSAGE:
        channel, sequence, time_ns = parts.number("H"), parts.number("I"), parts.number("Q")
        parts.number("Q")
        topic, kind = channels[channel]
        found.messages.append(Message(topic, kind, time_ns, sequence, bytes(body[parts.place:])))
    elif opcode == METADATA:
        name = parts.text()
        found.metadata[name] = parts.texts()


def _chunk(path: Path, body: memoryview) -> memoryview:
    parts = _Parts(body)
    parts.take(24)
    crc, compression = parts.number("I"), parts.text()
    if compression:
        raise Refused(f"recording {path}", "chunks without compression", compression,
                      "run `mcap compress --compression none` on it")
    records = parts.take(parts.number("Q"))
    if crc and zlib.crc32(records) != crc:
        raise Refused(f"recording {path}, chunk", f"checksum {crc:08x}", f"{zlib.crc32(records):08x}",
                      "copy the file anew")
    return records


class _EndError(Exception):
    """The bytes end within a record."""


def _records(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    place = 0
    while place < len(data):
        if place + 9 > len(data):
            raise _EndError
        opcode, length = struct.unpack_from("<BQ", data, place)
        if place + 9 + length > len(data):
            raise _EndError
        yield opcode, data[place + 9:place + 9 + length]
        place += 9 + length


class _Parts:
    """Walk through the fields of one record."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.place = data, 0

    def take(self, size: int) -> memoryview:
        if self.place + size > len(self.data):
            raise struct.error(f"{size} bytes wanted, {len(self.data) - self.place} left")
        self.place += size
        return self.data[self.place - size:self.place]

    def number(self, code: str) -> int:
        return int(struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0])

    def text(self) -> str:
        return bytes(self.take(self.number("I"))).decode()

    def texts(self) -> dict[str, str]:
        stop = self.place + 4 + struct.unpack_from("<I", self.data, self.place)[0]
        self.place += 4
        found = {}
        while self.place < stop:
            key = self.text()
            found[key] = self.text()
        return found
