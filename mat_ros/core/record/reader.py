# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Read a recording from its beginning, record by record, to its end or to the cut of a truncated file.

The reader needs only the standard library, as long as the chunks are not compressed. One chunk is in memory at a time.
The reader reads the messages of a truncated chunk up to the cut. It cannot test the checksum of a truncated chunk.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path

from mat_ros.core.errors import Refused
from mat_ros.core.record import indexed
from mat_ros.core.record.mcap import (
    CHANNEL,
    CHUNK,
    DATA_END,
    MAGIC,
    MESSAGE,
    MESSAGE_HEAD,
    METADATA,
    RECORD_HEAD,
    SCHEMA,
    Message,
    Parts,
    Source,
    Survey,
    broken,
    check_encoding,
    wrong_checksum,
)

DAMAGE = (struct.error, UnicodeDecodeError, KeyError)  # what bytes raise that contradict the format
READ = (SCHEMA, CHANNEL, MESSAGE, METADATA)  # the reader skips other records outside of chunks


def open_source(path: Path) -> Source:
    """Return the source of a recording: an indexed one where the file and the library allow it, else a plain one."""
    plain = Reader(path)
    return indexed.IndexedReader.open(path) or plain


def first_metadata(path: Path, name: str) -> dict[str, str]:
    """Return the first metadata of a name, without reading the messages of the file; empty where there is none."""
    try:
        for opcode, body in _Walk(Reader(path).path).records():
            parts = Parts(body)
            if opcode == METADATA and parts.text() == name:
                return parts.texts()
            if opcode == MESSAGE:
                break
    except (Refused, OSError, *DAMAGE):
        pass  # no recording of ours
    return {}


class Reader:
    """Read a file from its beginning."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                begin = file.read(len(MAGIC))
        except OSError as error:
            raise Refused(f"recording {path}", "a readable file", error.strerror, "correct the path") from error
        if begin != MAGIC:
            raise Refused(f"recording {path}", "an MCAP file", f"a file that begins with {begin!r}", "name a recording")
        self.path = path

    @cached_property
    def survey(self) -> Survey:
        """Return the survey of the file. The reader reads the whole file for this."""
        walk = _Walk(self.path)
        metadata: dict[str, dict[str, str]] = {}
        counts: Counter[str] = Counter()
        first_ns = last_ns = None
        try:
            for opcode, body in walk.records():
                if opcode == METADATA:
                    parts = Parts(body)
                    name = parts.text()
                    metadata[name] = parts.texts()
                elif opcode == MESSAGE:
                    channel, _, time_ns, _ = MESSAGE_HEAD.unpack_from(body)
                    counts[walk.channels[channel][0]] += 1
                    first_ns = time_ns if first_ns is None else min(first_ns, time_ns)
                    last_ns = time_ns if last_ns is None else max(last_ns, time_ns)
        except DAMAGE as error:
            raise broken(self.path, error) from error
        return Survey(metadata, counts, first_ns or 0, last_ns or 0, walk.truncated)

    def messages(self, topics: Collection[str] | None = None, start_ns: int = 0, stop_ns: int | None = None
                 ) -> Iterator[Message]:
        """Yield the messages with start_ns <= time < stop_ns in the order of writing; None: all topics."""
        walk = _Walk(self.path)
        try:
            for opcode, body in walk.records():
                if opcode != MESSAGE:
                    continue
                channel, sequence, time_ns, _ = MESSAGE_HEAD.unpack_from(body)
                topic, kind = walk.channels[channel]
                if (start_ns <= time_ns and (stop_ns is None or time_ns < stop_ns)
                        and (topics is None or topic in topics)):
                    yield Message(topic, kind, time_ns, sequence, bytes(body[MESSAGE_HEAD.size:]))
        except DAMAGE as error:
            raise broken(self.path, error) from error


class _Walk:
    """Read a file once from its beginning, and collect its schemas and channels."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.schemas: dict[int, str] = {}
        self.channels: dict[int, tuple[str, str]] = {}  # topic and type
        self.truncated = True  # False once the end of the data is reached

    def records(self) -> Iterator[tuple[int, memoryview]]:
        """Yield opcode and content of every record up to the last whole one, records inside of chunks included."""
        for opcode, body in self._all():
            if opcode == SCHEMA:
                parts = Parts(body)
                number = parts.number("H")
                self.schemas[number] = parts.text()
            elif opcode == CHANNEL:
                parts = Parts(body)
                number, schema, topic, encoding = parts.number("H"), parts.number("H"), parts.text(), parts.text()
                check_encoding(topic, encoding)
                self.channels[number] = topic, self.schemas[schema]
            else:
                yield opcode, body

    def _all(self) -> Iterator[tuple[int, memoryview]]:
        with self.path.open("rb") as file:
            size = file.seek(-len(MAGIC), os.SEEK_END) + len(MAGIC)
            was_finished = file.read() == MAGIC
            file.seek(len(MAGIC))
            while len(head := file.read(RECORD_HEAD.size)) == RECORD_HEAD.size:
                opcode, length = RECORD_HEAD.unpack(head)
                left = max(0, size - file.tell())  # a file that is still written may have grown
                if length > left or opcode == 0:  # no record has opcode 0: a power cut leaves zeros
                    if was_finished:
                        raise struct.error(f"a record of opcode {opcode} and {length} bytes, {left} before the end")
                    if opcode == CHUNK:
                        yield from _inside(self._cut_chunk(memoryview(file.read(left))), cut=True)
                    return
                if opcode == CHUNK:
                    yield from _inside(self._chunk(memoryview(file.read(length))), cut=False)
                elif opcode in READ:
                    yield opcode, memoryview(file.read(length))
                elif opcode == DATA_END:
                    self.truncated = False
                    return
                else:
                    file.seek(length, os.SEEK_CUR)

    def _chunk(self, body: memoryview) -> memoryview:
        """Return the records of a chunk after a test of its checksum."""
        parts = Parts(body)
        parts.take(16)
        size, crc, compression = parts.number("Q"), parts.number("I"), parts.text()
        records = parts.take(parts.number("Q"))
        if compression:
            records = indexed.decompress(self.path, compression, records, size)
        if crc and zlib.crc32(records) != crc:
            raise wrong_checksum(self.path, crc, zlib.crc32(records))
        return records

    def _cut_chunk(self, body: memoryview) -> memoryview:
        """Return the records of a chunk without its end; none of a compressed chunk, which cannot be decompressed."""
        parts = Parts(body)
        try:
            parts.take(28)
            compression = parts.text()
            parts.take(8)
        except struct.error:  # the cut is in the head of the chunk
            return memoryview(b"")
        return memoryview(b"") if compression else body[parts.place:]


def _inside(records: memoryview, cut: bool) -> Iterator[tuple[int, memoryview]]:
    """Yield opcode and content of the records of a chunk."""
    place = 0
    while place + RECORD_HEAD.size <= len(records):
        opcode, length = RECORD_HEAD.unpack_from(records, place)
        stop = place + RECORD_HEAD.size + length
        if stop > len(records) or (cut and opcode == 0):
            break
        yield opcode, records[place + RECORD_HEAD.size:stop]
        place = stop
    if place < len(records) and not cut:
        raise struct.error("a chunk that ends within a record")
