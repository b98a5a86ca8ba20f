# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A recording is read with the library or without it: the same messages, or a refusal in one sentence."""

import struct
import sys
import zlib

import numpy as np
import pytest

from mat_ros.core.errors import Missing, Refused
from mat_ros.core.record import indexed
from mat_ros.core.record.indexed import IndexedReader
from mat_ros.core.record.reader import Reader, open_source
from mat_ros.core.record.record import FACTS
from support.recorded import PERIOD_NS, record, write_with_the_library

needs_library = pytest.mark.skipif(indexed.library() is None, reason="needs the record extra (mcap)")


@pytest.fixture
def no_library(monkeypatch):
    """Be where the library is not installed."""
    for name in ("mcap", "mcap.reader", "mcap.records", "mcap.stream_reader"):
        monkeypatch.setitem(sys.modules, name, None)
    assert indexed.library() is None


@pytest.fixture
def file(tmp_path):
    record(tmp_path / "run.mcap", ticks=20)
    return tmp_path / "run.mcap"


@needs_library
@pytest.mark.parametrize("written", ["by us", "", "zstd", "lz4"])
def test_the_index_and_the_walk_yield_the_same(file, tmp_path, written):
    if written != "by us":
        from mcap.writer import CompressionType

        method = {"": CompressionType.NONE, "zstd": CompressionType.ZSTD, "lz4": CompressionType.LZ4}[written]
        write_with_the_library(tmp_path / "other.mcap", file, compression=method, chunk_size=10_000)
        assert list(Reader(tmp_path / "other.mcap").messages()) == list(Reader(file).messages())
        file = tmp_path / "other.mcap"
    source, walk = open_source(file), Reader(file)
    assert isinstance(source, IndexedReader)
    assert source.survey == walk.survey
    assert list(source.messages()) == list(walk.messages())
    slices = [(0, None), (3 * PERIOD_NS, 7 * PERIOD_NS), (0, PERIOD_NS), (19 * PERIOD_NS, None), (10**12, None), (5, 5)]
    for start_ns, stop_ns in slices:
        for topics in (None, ["observation"], ["applied", "baton/slot_2"], []):
            found = list(source.messages(topics, start_ns, stop_ns))
            assert found == list(walk.messages(topics, start_ns, stop_ns))
            assert all(start_ns <= m.time_ns and (stop_ns is None or m.time_ns < stop_ns) for m in found)
    assert len(list(source.messages(["observation"], 3 * PERIOD_NS, 7 * PERIOD_NS))) == 4


@needs_library
@pytest.mark.parametrize("how", [{"use_chunking": False}, {"use_summary_offsets": False, "use_statistics": False},
                                 {"repeat_channels": False, "repeat_schemas": False}])
def test_a_file_without_an_index_is_read_from_its_beginning(file, tmp_path, how):
    write_with_the_library(tmp_path / "other.mcap", file, **how)
    assert isinstance(open_source(tmp_path / "other.mcap"), Reader)
    assert list(open_source(tmp_path / "other.mcap").messages()) == list(Reader(file).messages())


@needs_library
def test_an_index_reads_only_the_chunks_of_the_slice(file, monkeypatch):
    from mcap import stream_reader

    opened = []
    original = stream_reader.breakup_chunk
    monkeypatch.setattr(stream_reader, "breakup_chunk",
                        lambda chunk, **how: opened.append(chunk) or original(chunk, **how))
    source = open_source(file)
    assert len(list(source.messages(["observation"], 3 * PERIOD_NS, 7 * PERIOD_NS))) == 4
    few = len(opened)
    list(source.messages())
    assert few < (len(opened) - few) / 3


@needs_library
@pytest.mark.parametrize("method", ["ZSTD", "LZ4"])
def test_compressed_chunks_are_refused_in_one_sentence_where_the_library_is_missing(file, tmp_path, method, request):
    from mcap.writer import CompressionType

    write_with_the_library(tmp_path / "other.mcap", file, compression=CompressionType[method])
    request.getfixturevalue("no_library")
    expected = rf"'mcap', which reads the {method.lower()} chunks of .*, is missing; run .*record"
    with pytest.raises(Missing, match=expected):
        _ = open_source(tmp_path / "other.mcap").survey


@needs_library
def test_a_truncated_file_of_compressed_chunks_is_read_up_to_its_last_whole_chunk(file, tmp_path):
    write_with_the_library(tmp_path / "other.mcap", file, chunk_size=10_000)
    data, whole = (tmp_path / "other.mcap").read_bytes(), list(Reader(file).messages())
    (tmp_path / "cut.mcap").write_bytes(data[:len(data) // 2])
    source = open_source(tmp_path / "cut.mcap")
    found = list(source.messages())
    assert source.survey.truncated
    assert found == whole[:len(found)]
    assert len(whole) / 5 < len(found) < len(whole)


def test_a_finished_file_needs_no_library(file, no_library):
    source = open_source(file)
    assert isinstance(source, Reader)
    assert len(list(source.messages(["observation"], 3 * PERIOD_NS, 7 * PERIOD_NS))) == 4
    assert source.survey.counts["observation"] == 20
    assert (source.survey.first_ns, source.survey.last_ns) == (0, 19 * PERIOD_NS)
    assert set(source.survey.metadata) == {FACTS}


@pytest.mark.parametrize(("compression", "size", "expected"), [
    ("brotli", 100, "chunks that are plain, zstd or lz4"), ("zstd", 1 << 40, "at most .* bytes after decompression")])
def test_a_chunk_that_nobody_should_decompress_is_refused(tmp_path, compression, size, expected):
    body = (struct.pack("<QQQI", 0, 0, size, 0) + struct.pack("<I", len(compression)) + compression.encode()
            + struct.pack("<Q", 4) + b"text")
    (tmp_path / "bomb.mcap").write_bytes(b"\x89MCAP0\r\n" + struct.pack("<BQ", 6, len(body)) + body)
    with pytest.raises(Refused, match=expected):
        _ = open_source(tmp_path / "bomb.mcap").survey


def test_a_damaged_chunk_is_refused(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(Refused, match="checksum"):
        list(open_source(file).messages())
    with pytest.raises(Refused, match="checksum"):
        _ = Reader(file).survey


def test_a_damaged_index_is_not_believed(file):
    whole, data = list(Reader(file).messages()), bytearray(file.read_bytes())
    start, = struct.unpack_from("<Q", data, len(data) - 8 - 20)
    assert zlib.crc32(data[start:-12]) == struct.unpack_from("<I", data, len(data) - 12)[0]
    data[(start + len(data)) // 2] ^= 1
    file.write_bytes(data)
    source = open_source(file)
    assert isinstance(source, Reader)
    assert list(source.messages()) == whole


def test_a_file_that_is_no_recording_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no recording at all")
    with pytest.raises(Refused, match="MCAP"):
        open_source(tmp_path / "notes.txt")
    with pytest.raises(Refused, match="readable"):
        open_source(tmp_path / "absent.mcap")


def test_a_record_that_is_longer_than_a_finished_file_is_refused_and_no_cut(file):
    data = bytearray(file.read_bytes())
    place = data.index(b"\x06", 300)  # some length in the file
    chunk = next(k for k in range(place, len(data)) if data[k] == 6 and data[k + 6:k + 9] == b"\0\0\0")
    struct.pack_into("<Q", data, chunk + 1, 1 << 40)
    file.write_bytes(data)
    with pytest.raises(Refused, match="whole records"):
        _ = Reader(file).survey


@pytest.mark.parametrize("with_library", [pytest.param(True, marks=needs_library), False])
def test_malformed_files_are_read_or_refused_in_one_sentence(file, tmp_path, with_library, request):
    if not with_library:
        request.getfixturevalue("no_library")
    rng, good, refused = np.random.default_rng(0), file.read_bytes()[:20_000], 0
    whole = file.read_bytes()
    for k in range(600):
        data = bytearray(good if k % 2 else whole)
        for place in rng.integers(8, len(data), 1 + k % 4):
            data[place] = rng.integers(256)
        if k % 5 == 0:
            place = int(rng.integers(8, len(data) - 8))
            data[place:place + 8] = (0xFFFFFFFFFFFFFF if k % 2 else 3).to_bytes(8, "little")
        (tmp_path / "bad.mcap").write_bytes(data)
        try:
            source = open_source(tmp_path / "bad.mcap")
            _ = source.survey
            list(source.messages())
        except Refused as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 100
