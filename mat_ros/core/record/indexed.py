# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Read recordings with the library `mcap`, where it is installed. The library uses the index and decompresses chunks.

The library needs the summary at the end of a file. Where the summary or the library is missing, or the summary is
damaged, `reader.py` reads the file from its beginning. Both readers return the same messages.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

from mat_ros.core.errors import Missing, Refused
from mat_ros.core.record.mcap import (
    FOOTER,
    FOOTER_BODY,
    MAGIC,
    RECORD_HEAD,
    Message,
    Survey,
    broken,
    check_encoding,
    wrong_checksum,
)
from mat_ros.core.shipped import install_command

COMPRESSIONS = ("zstd", "lz4")
CHUNK_LIMIT = 1 << 30  # bytes of a chunk once it is decompressed; recorders write a few megabytes
FOOTER_BYTES = RECORD_HEAD.size + FOOTER_BODY.size + len(MAGIC)


def library() -> Any:
    """Return the modules of the library; None where it is not installed. The library is an extra: import it late."""
    try:
        from mcap import reader, records, stream_reader
    except ImportError:
        return None
    return SimpleNamespace(reader=reader, records=records, stream_reader=stream_reader)


def decompress(path: Path, compression: str, data: memoryview, size: int) -> memoryview:
    """Return the records of a compressed chunk. The records must be `size` bytes long."""
    _check_compression(path, compression, size)
    modules = library()
    if modules is None:
        raise Missing(f"the Python package 'mcap', which reads the {compression} chunks of {path},",
                      f"run {install_command('record')}")
    chunk = modules.records.Chunk(compression=compression, data=bytes(data), message_start_time=0, message_end_time=0,
                                  uncompressed_crc=0, uncompressed_size=size)
    try:
        stream, length = modules.stream_reader.get_chunk_data_stream(chunk)
    except Exception as error:  # each compression has its own exceptions
        raise broken(path, error) from error
    if length != size:
        raise Refused(f"recording {path}, chunk", f"{size} bytes after decompression", length, "copy the file anew")
    return memoryview(stream.read(length))


def _check_compression(path: Path, compression: str, size: int) -> None:
    if compression not in COMPRESSIONS:
        raise Refused(f"recording {path}", f"chunks that are plain, {' or '.join(COMPRESSIONS)}", compression,
                      "write it again with one of them")
    if size > CHUNK_LIMIT:
        raise Refused(f"recording {path}, chunk", f"at most {CHUNK_LIMIT} bytes after decompression", size,
                      "write it again with smaller chunks")


class IndexedReader:
    """Read a file through its summary. Reading a slice of time reads only the chunks that overlap the slice."""

    def __init__(self, path: Path, modules: Any, summary: Any) -> None:
        self.path, self._modules, self._summary = path, modules, summary
        self._chunks = sorted(summary.chunk_indexes, key=lambda index: index.chunk_start_offset)
        self._channels: dict[int, tuple[str, str]] = {}  # topic and type
        for number, channel in summary.channels.items():
            check_encoding(channel.topic, channel.message_encoding)
            self._channels[number] = channel.topic, summary.schemas[channel.schema_id].name

    @classmethod
    def open(cls, path: Path) -> IndexedReader | None:
        """Return the reader of a file; None where the library or a whole summary is missing."""
        modules = library()
        if modules is None:
            return None
        try:
            with path.open("rb") as file:
                if not _summary_is_whole(file):
                    return None
                file.seek(0)
                summary = modules.reader.SeekingReader(file).get_summary()
        except Exception:  # the library raises many types; `Reader` then reads the file and refuses a broken one
            return None
        return cls(path, modules, summary) if summary is not None and _is_complete(summary) else None

    @cached_property
    def survey(self) -> Survey:
        """Return the survey of the file."""
        statistics = self._summary.statistics
        counts: Counter[str] = Counter()
        for channel, count in statistics.channel_message_counts.items():
            counts[self._channels[channel][0]] += count
        with self.path.open("rb") as file:
            try:
                records = list(self._modules.reader.SeekingReader(file).iter_metadata())
            except Exception as error:  # exceptions of the library and of struct
                raise broken(self.path, error) from error
        return Survey({record.name: dict(record.metadata) for record in records}, +counts,
                      statistics.message_start_time, statistics.message_end_time, truncated=False)

    def messages(self, topics: Collection[str] | None = None, start_ns: int = 0, stop_ns: int | None = None
                 ) -> Iterator[Message]:
        """Yield the messages with start_ns <= time < stop_ns in the order of writing; None: all topics."""
        with self.path.open("rb") as file:
            for index in self._chunks:
                touched = index.message_end_time >= start_ns and (stop_ns is None or index.message_start_time < stop_ns)
                if touched and (topics is None or self._may_hold(index, topics)):
                    for topic, kind, record in self._chunk(file, index.chunk_start_offset):
                        if (start_ns <= record.log_time and (stop_ns is None or record.log_time < stop_ns)
                                and (topics is None or topic in topics)):
                            yield Message(topic, kind, record.log_time, record.sequence, record.data)

    def _may_hold(self, index: Any, topics: Collection[str]) -> bool:
        """Return whether a chunk can hold messages of these topics. A chunk without an index can hold any topic."""
        held = index.message_index_offsets
        return not held or any(self._channels[channel][0] in topics for channel in held)

    def _chunk(self, file: BinaryIO, offset: int) -> list[tuple[str, str, Any]]:
        """Return the messages of a chunk. `iter_messages` of the library would keep all chunks in memory."""
        file.seek(offset)
        try:
            chunk = next(self._modules.stream_reader.StreamReader(file, skip_magic=True, emit_chunks=True).records)
            if chunk.compression:
                _check_compression(self.path, chunk.compression, chunk.uncompressed_size)
            return [(*self._channels[record.channel_id], record)
                    for record in self._modules.stream_reader.breakup_chunk(chunk, validate_crc=True)
                    if isinstance(record, self._modules.records.Message)]
        except self._modules.stream_reader.CRCValidationError as error:
            raise wrong_checksum(self.path, error.expected, error.actual) from error
        except Refused:
            raise
        except Exception as error:  # exceptions of the library, of struct and of the compressions
            raise broken(self.path, error) from error


def _summary_is_whole(file: BinaryIO) -> bool:
    """Return whether a file ends with a footer that has the summary's checksum. A checksum of 0 means none."""
    size = file.seek(0, os.SEEK_END)
    if size < len(MAGIC) + FOOTER_BYTES:
        return False
    file.seek(size - FOOTER_BYTES)
    end = file.read(FOOTER_BYTES)
    if end[-len(MAGIC):] != MAGIC or RECORD_HEAD.unpack_from(end) != (FOOTER, FOOTER_BODY.size):
        return False
    start, _, crc = FOOTER_BODY.unpack_from(end, RECORD_HEAD.size)
    if not 0 < start <= size - FOOTER_BYTES:
        return False
    file.seek(start)
    covered = file.read(size - len(MAGIC) - 4 - start)
    return crc in (0, zlib.crc32(covered))


def _is_complete(summary: Any) -> bool:
    """Return whether a summary lists every chunk, channel, schema and metadata record of its file."""
    statistics = summary.statistics
    return (statistics is not None and 0 < statistics.chunk_count == len(summary.chunk_indexes)
            and statistics.metadata_count == len(summary.metadata_indexes)
            and statistics.message_count == sum(statistics.channel_message_counts.values())
            and all(channel in summary.channels for channel in statistics.channel_message_counts)
            and all(channel in summary.channels for chunk in summary.chunk_indexes
                    for channel in chunk.message_index_offsets)
            and all(channel.schema_id in summary.schemas for channel in summary.channels.values()))
