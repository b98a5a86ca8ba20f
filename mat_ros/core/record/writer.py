# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Write the part of the MCAP format that recordings need. A truncated file stays readable.

Messages go into chunks. Each chunk has a checksum and an index. A killed process loses only the chunk that is not
written yet. The numbers of a policy hardly compress, so the chunks are not compressed.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from mat_ros.core.errors import Refused
from mat_ros.core.record.mcap import (
    CHANNEL,
    CHUNK,
    CHUNK_INDEX,
    DATA_END,
    ENCODING,
    FOOTER,
    FOOTER_BODY,
    HEADER,
    MAGIC,
    MESSAGE,
    MESSAGE_HEAD,
    MESSAGE_INDEX,
    METADATA,
    METADATA_INDEX,
    RECORD_HEAD,
    SCHEMA,
    STATISTICS,
    SUMMARY_OFFSET,
)

MESSAGE_RECORD = struct.Struct(RECORD_HEAD.format + MESSAGE_HEAD.format[1:])  # both heads in one
CHUNK_BYTES = 256 * 1024  # bytes of messages that wait in memory; a killed process loses at most these


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<I", len(data)) + data


def _strings(values: Mapping[str, str]) -> bytes:
    data = b"".join(_string(key) + _string(value) for key, value in values.items())
    return struct.pack("<I", len(data)) + data


def _record(opcode: int, content: bytes) -> bytes:
    return RECORD_HEAD.pack(opcode, len(content)) + content


def _create(path: Path) -> BinaryIO:
    """Return a new open file. Refuse an existing file, which may be evidence."""
    try:
        return path.open("xb")
    except FileExistsError:
        raise Refused(f"recording {path}", "a new file", f"an existing file of {path.stat().st_size / 1e6:.1f} MB",
                      "give another name, or remove the file") from None


class Writer:
    """Write a file chunk by chunk. The first message of a topic declares the topic."""

    def __init__(self, path: Path, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._file = _create(path)
        self._chunk_bytes = chunk_bytes
        self._chunk = bytearray()
        self._times: list[int] = []
        self._indices: dict[int, list[tuple[int, int]]] = {}
        self._schemas: dict[str, tuple[int, bytes]] = {}
        self._channels: dict[str, tuple[int, bytes]] = {}
        self._counts: dict[int, int] = {}
        self._chunk_records: list[bytes] = []  # index records of chunks, written at the end
        self._metadata_records: list[bytes] = []
        self._span: tuple[int, int] | None = None
        try:
            self._file.write(MAGIC + _record(HEADER, _string("ros2") + _string("mat_ros")))
            self._file.flush()
        except OSError:
            self.abandon()
            raise

    def metadata(self, name: str, values: Mapping[str, str]) -> None:
        """Write a metadata record of named texts."""
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
        self._chunk += MESSAGE_RECORD.pack(MESSAGE, MESSAGE_HEAD.size + len(data), channel, count & 0xFFFFFFFF,
                                           time_ns, time_ns)
        self._chunk += data
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
            body = struct.pack("<HH", channel, self._schemas[kind][0])
            body += _string(topic) + _string(ENCODING) + _strings({})
            self._channels[topic] = channel, _record(CHANNEL, body)
            self._counts[channel] = 0
            self._chunk += self._channels[topic][1]
        return self._channels[topic][0]

    def flush(self) -> None:
        """Write the present chunk, so that its messages are in the file when the process is killed."""
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
        summary, offsets = b"", b""
        for opcode, records in groups.items():
            if group := b"".join(records):
                offsets += _record(SUMMARY_OFFSET, struct.pack("<BQQ", opcode, start + len(summary), len(group)))
                summary += group
        summary += offsets
        head = RECORD_HEAD.pack(FOOTER, FOOTER_BODY.size)
        places = FOOTER_BODY.pack(start, start + len(summary) - len(offsets), 0)[:-4]
        crc = zlib.crc32(summary + head + places)  # a reader must not use a damaged index
        self._file.write(summary + head + places + struct.pack("<I", crc) + MAGIC)
        self._file.close()

    def abandon(self) -> None:
        """Close the file as it is, because the disk takes no more. A reader reads it as a truncated file."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _statistics(self) -> bytes:
        counts = b"".join(struct.pack("<HQ", channel, count) for channel, count in self._counts.items())
        return struct.pack("<QHIIII", sum(self._counts.values()), len(self._schemas), len(self._channels), 0,
                           len(self._metadata_records), len(self._chunk_records)
                           ) + struct.pack("<QQI", *(self._span or (0, 0)), len(counts)) + counts
