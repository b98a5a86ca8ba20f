# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Wherever a file is cut, it opens, and no record that is whole before the cut is lost."""

import json
import os
import re
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mat_ros.core.errors import Refused
from mat_ros.core.record.reader import open_source
from mat_ros.core.record.recording import Recording
from mat_ros.core.record.writer import Writer
from support.recorded import record

MAGIC_BYTES = 8
DATA_END = struct.pack("<BQ", 0x0F, 4)


def ends(data, messages):
    """Return where the record of every message ends, found by its bytes and not by a reader."""
    found, place = [], 0
    for message in messages:
        head = struct.pack("<BQ", 5, 22 + len(message.data))
        rest = struct.pack("<IQQ", message.sequence, message.time_ns, message.time_ns) + message.data
        place = re.compile(re.escape(head) + b".." + re.escape(rest), re.DOTALL).search(data, place).end()
        found.append(place)
    return found


def check(path, data, messages, whole_at):
    """Hold what is read from a cut file against what is whole before the cut."""
    cut = path.stat().st_size
    if cut < MAGIC_BYTES:
        with pytest.raises(Refused, match="expected an MCAP file, got a file that begins with"):
            Recording.load(path, required=())
        return
    source = open_source(path)
    found = list(source.messages())
    assert found == messages[:sum(end <= cut for end in whole_at)]
    assert source.survey.truncated == (cut < data.rindex(DATA_END) + len(DATA_END) + 4)
    recording = Recording.load(path, required=())
    assert recording.truncated == bool(recording.gap) == source.survey.truncated
    if found and recording.gap:
        last_s = (max(m.time_ns for m in found) - found[0].time_ns) / 1e9
        assert recording.gap == (f"{path.name} is truncated: what was recorded later than {last_s:.3f} s after its "
                                 "beginning is missing")


def small(path, sizes, chunk_bytes):
    """Write messages of these sizes on two topics, with metadata in between."""
    writer = Writer(path, chunk_bytes)
    writer.metadata("mat_ros", {"policy": json.dumps("a")})
    for k, size in enumerate(sizes):
        writer.write("/status" if k % 3 else "/descriptor", "mat_ros/msg/ChainStatus", "uint8 a", 10**9 + k * 10**8,
                     bytes([k + 1] * size))
        if k == 3:
            writer.metadata("mat_ros", {"policy": json.dumps("b")})
    writer.close()
    data = path.read_bytes()
    messages = list(open_source(path).messages())
    assert len(messages) == len(sizes)
    return data, messages, ends(data, messages)


def test_a_small_recording_opens_wherever_it_is_cut(tmp_path):
    data, messages, whole_at = small(tmp_path / "run.mcap", [9, 30, 0, 7, 50, 21, 1, 40], chunk_bytes=120)
    (tmp_path / "run.mcap").rename(tmp_path / "cut.mcap")
    for cut in range(len(data), -1, -1):
        os.truncate(tmp_path / "cut.mcap", cut)
        check(tmp_path / "cut.mcap", data, messages, whole_at)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 60), min_size=1, max_size=12), st.integers(1, 400), st.data())
def test_recordings_of_any_sizes_open_wherever_they_are_cut(tmp_path, sizes, chunk_bytes, draw):
    (tmp_path / "run.mcap").unlink(missing_ok=True)
    data, messages, whole_at = small(tmp_path / "run.mcap", sizes, chunk_bytes)
    for _ in range(10):
        (tmp_path / "cut.mcap").write_bytes(data[:draw.draw(st.integers(0, len(data)))])
        check(tmp_path / "cut.mcap", data, messages, whole_at)


def test_a_recording_of_a_robot_opens_wherever_it_is_cut(tmp_path):
    record(tmp_path / "run.mcap", ticks=40)
    data, messages = (tmp_path / "run.mcap").read_bytes(), list(open_source(tmp_path / "run.mcap").messages())
    whole_at = ends(data, messages)
    for cut in np.random.default_rng(0).integers(0, len(data), 200):
        (tmp_path / "cut.mcap").write_bytes(data[:cut])
        check(tmp_path / "cut.mcap", data, messages, whole_at)


def test_a_file_whose_last_block_was_never_written_to_the_disk_opens(tmp_path):
    data, messages, whole_at = small(tmp_path / "run.mcap", [9, 30, 0, 7, 50, 21, 1, 40], chunk_bytes=120)
    for cut in range(MAGIC_BYTES, data.rindex(DATA_END), 7):
        (tmp_path / "cut.mcap").write_bytes(data[:cut] + bytes(4096))
        try:
            found = list(open_source(tmp_path / "cut.mcap").messages())
        except Refused as error:  # zeros inside a chunk, which its checksum shows
            assert "checksum" in str(error) or "whole records" in str(error)
        else:
            assert found == messages[:len(found)]
            assert len(found) >= sum(end <= cut for end in whole_at)
