# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""What we write is read by everybody's tools, and by ours even when the process that wrote it was killed."""

import signal
import struct
import subprocess
import sys

import pytest

from mat_ros.core.record.reader import Reader
from mat_ros.core.record.record import FACTS
from mat_ros.core.record.recording import Recording
from mat_ros.core.record.writer import Writer
from support.recorded import record

LIBRARY = "needs the record extra (mcap)"
KILLED = """
import os, signal, sys
from pathlib import Path
from mat_ros.core.record.writer import Writer
writer = Writer(Path(sys.argv[1]), chunk_bytes=2000)
for k in range(100):
    writer.write("a", "x/msg/A", "uint8 a", k, bytes([k] * 100))
    if k == 50:
        writer.flush()
    if k == 60:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_mcap_library_reads_every_message_and_every_checksum(tmp_path):
    reader = pytest.importorskip("mcap.reader", reason=LIBRARY)
    stream = pytest.importorskip("mcap.stream_reader", reason=LIBRARY)
    record(tmp_path / "run.mcap", ticks=20)
    with (tmp_path / "run.mcap").open("rb") as file:
        found = reader.make_reader(file)
        summary = found.get_summary()
        count = sum(1 for _ in found.iter_messages())
        assert found.get_header().profile == "ros2"
        assert [m.name for m in found.iter_metadata()] == [FACTS]
    assert summary.statistics.message_count == count == len(list(Reader(tmp_path / "run.mcap").messages()))
    assert summary.statistics.chunk_count > 3
    assert {s.encoding for s in summary.schemas.values()} == {"ros2msg"}
    with (tmp_path / "run.mcap").open("rb") as file:
        assert sum(1 for _ in stream.StreamReader(file, validate_crcs=True).records) > count


def test_the_mcap_library_reads_a_truncated_file_up_to_its_last_whole_chunk(tmp_path):
    reader = pytest.importorskip("mcap.reader", reason=LIBRARY)
    exceptions = pytest.importorskip("mcap.exceptions", reason=LIBRARY)
    record(tmp_path / "run.mcap", ticks=40)
    data = (tmp_path / "run.mcap").read_bytes()
    for cut in (len(data) // 4, len(data) // 2, len(data) - 300):
        (tmp_path / "cut.mcap").write_bytes(data[:cut])
        with (tmp_path / "cut.mcap").open("rb") as file:
            messages, found = reader.NonSeekingReader(file).iter_messages(log_time_order=False), []
            with pytest.raises((exceptions.EndOfFile, struct.error)):
                found.extend(message.data for _, _, message in messages)
        ours = [message.data for message in Reader(tmp_path / "cut.mcap").messages()]
        assert found == ours[:len(found)]
        assert len(ours) - len(found) < 15  # a chunk of the test's size


def test_rosbags_decodes_what_we_encoded(tmp_path):
    highlevel = pytest.importorskip("rosbags.highlevel", reason="needs the dev extra (rosbags)")
    record(tmp_path / "run.mcap", ticks=2)
    ours = Recording.load(tmp_path / "run.mcap").of("baton")
    with highlevel.AnyReader([tmp_path / "run.mcap"]) as reader:
        theirs = [reader.deserialize(raw, c.msgtype) for c, _, raw in reader.messages() if "baton" in c.topic]
    assert len(theirs) == len(ours)
    for a, b in zip(sorted(ours, key=lambda m: (m.tick, m.slot)), sorted(theirs, key=lambda m: (m.tick, m.slot)),
                    strict=True):
        assert (a.tick, a.slot, a.manifest) == (b.tick, b.slot, b.manifest)
        assert a.state.tobytes() == b.state.tobytes()


def test_what_was_flushed_is_in_the_file_while_the_writer_goes_on(tmp_path):
    writer = Writer(tmp_path / "run.mcap")
    writer.write("a", "x/msg/A", "uint8 a", 3, b"first")
    assert list(Reader(tmp_path / "run.mcap").messages()) == []
    writer.flush()
    assert [message.data for message in Reader(tmp_path / "run.mcap").messages()] == [b"first"]
    assert Reader(tmp_path / "run.mcap").survey.truncated
    writer.close()
    assert not Reader(tmp_path / "run.mcap").survey.truncated


def test_a_killed_process_leaves_every_chunk_that_it_has_written(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "run.mcap")], check=False)
    assert done.returncode == -signal.SIGKILL
    found = Reader(tmp_path / "run.mcap")
    assert [message.time_ns for message in found.messages()] == list(range(51))
    assert found.survey.truncated
