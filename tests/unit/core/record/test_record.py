# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A recording is read by everybody's tools, survives a crash up to its last chunk, and carries what a replay needs."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.record import mcap
from mat_ros.core.record.record import FACTS, TYPES, FlightRecorder, facts, plain
from mat_ros.core.record.replay import Recording
from mat_ros.core.wire import cdr
from support.recorded import BUNDLE, record


def test_the_mcap_library_reads_every_message_and_every_checksum(tmp_path):
    reader = pytest.importorskip("mcap.reader", reason="needs the viz extra (mcap)")
    stream = pytest.importorskip("mcap.stream_reader", reason="needs the viz extra (mcap)")
    record(tmp_path / "run.mcap", ticks=20)
    with (tmp_path / "run.mcap").open("rb") as file:
        found = reader.make_reader(file)
        summary = found.get_summary()
        count = sum(1 for _ in found.iter_messages())
        assert found.get_header().profile == "ros2"
        assert [m.name for m in found.iter_metadata()] == [FACTS]
    assert summary.statistics.message_count == count == len(mcap.read(tmp_path / "run.mcap").messages)
    assert summary.statistics.chunk_count > 3
    assert {s.encoding for s in summary.schemas.values()} == {"ros2msg"}
    with (tmp_path / "run.mcap").open("rb") as file:
        assert sum(1 for _ in stream.StreamReader(file, validate_crcs=True).records) > count


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


@pytest.mark.ros
@pytest.mark.parametrize("kind", sorted(set(TYPES.values())))
def test_ros_reads_the_bytes_that_we_write_and_we_read_those_of_ros(kind):
    import importlib

    from rclpy.serialization import deserialize_message, serialize_message

    package, _, name = kind.split("/")
    of_ros = getattr(importlib.import_module(f"{package}.msg"), name)
    filled = _filled(kind)
    through_ros = cdr.decode(kind, bytes(serialize_message(deserialize_message(cdr.encode(kind, filled), of_ros))))
    assert cdr.encode(kind, through_ros) == cdr.encode(kind, filled)


def _filled(kind):
    """Give a message whose every field holds something, arrays of odd lengths to provoke padding."""
    found = SimpleNamespace()
    for k, field in enumerate(cdr.fields(kind)):
        one = {"string": f"text {k}", "bool": True}.get(field.type, k + 1)
        if "/" in field.type:
            one = _filled(field.type)
        count = field.size if field.fixed else 3 + k % 2
        setattr(found, field.name, [one] * count if field.many else one)
    return found


def test_a_truncated_file_is_read_up_to_its_last_whole_chunk_and_says_so(tmp_path):
    record(tmp_path / "run.mcap", ticks=40)
    whole = mcap.read(tmp_path / "run.mcap")
    data = (tmp_path / "run.mcap").read_bytes()
    counts = []
    for cut in range(len(data) - 200, 200, -len(data) // 25):
        (tmp_path / "cut.mcap").write_bytes(data[:cut])
        part = mcap.read(tmp_path / "cut.mcap")
        assert part.messages == whole.messages[:len(part.messages)]
        counts.append(len(part.messages))
    assert part.truncated
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 0.9 * len(whole.messages)


def test_a_damaged_chunk_is_refused(tmp_path):
    record(tmp_path / "run.mcap")
    data = bytearray((tmp_path / "run.mcap").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "run.mcap").write_bytes(data)
    with pytest.raises(Refused, match="checksum"):
        mcap.read(tmp_path / "run.mcap")


def test_a_file_that_is_no_recording_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no recording at all")
    with pytest.raises(Refused, match="MCAP"):
        mcap.read(tmp_path / "notes.txt")
    with pytest.raises(Refused, match="readable"):
        mcap.read(tmp_path / "absent.mcap")


def test_a_recording_says_what_made_it(tmp_path):
    bundle = record(tmp_path / "run.mcap")
    said = Recording.load(tmp_path / "run.mcap").facts
    assert said["digest"] == bundle.digest
    assert said["backend"] == ["arithmetic", "1", "cpu"]
    assert {"mat_ros", "python", "numpy", "seed", "policy"} <= set(said)


def test_the_flight_recorder_forgets_what_is_old_and_writes_the_rest(tmp_path):
    bundle = Bundle.load(BUNDLE)
    ring = FlightRecorder(facts(bundle, ("arithmetic", "1", "cpu")), seconds=1.0)
    state = SimpleNamespace(tick=0, enabled=False, ids=[], kinds=[], targets=[], severities=[])
    for tick in range(100):
        state.tick = tick
        ring.write("fault_state", tick * 50_000_000, state)
    assert len(ring) == 21
    first = ring.dump(tmp_path / "flight.mcap", "a stop was latched")
    second = ring.dump(tmp_path / "flight.mcap", "again")
    assert first != second
    found = Recording.load(first, required=())
    assert [m.tick for m in found.of("fault_state")] == list(range(79, 100))
    assert found.facts["reason"] == "a stop was latched"


def test_the_flight_recorder_stays_within_its_memory():
    ring = FlightRecorder({}, seconds=1e6, megabytes=0.001)
    for k in range(1000):
        ring.raw("status", k, bytes(100))
    assert len(ring) == 10


@pytest.mark.parametrize("topic", ["observation", "/left/baton/slot_3", "/diagnostics", "robot/fault_state"])
def test_topics_are_known_in_any_namespace(topic):
    assert plain(topic) in TYPES


def test_malformed_bytes_are_refused_and_nothing_else_happens():
    """Ten thousand spoilt messages of every type: each is read or refused in one sentence."""
    rng = np.random.default_rng(0)
    kinds = sorted(set(TYPES.values()))
    good = {kind: cdr.encode(kind, _filled(kind)) for kind in kinds}
    refused = 0
    for k in range(12_000):
        kind = kinds[k % len(kinds)]
        data = bytearray(good[kind])
        how = k // len(kinds) % 4
        if how == 0:
            data = data[:rng.integers(0, len(data))]
        elif how == 1:
            for place in rng.integers(4, len(data), 4):
                data[place] = rng.integers(256)
        elif how == 2:
            place = 4 * int(rng.integers(1, len(data) // 4))
            data[place:place + 4] = (0xFFFFFFFF).to_bytes(4, "little")  # an absurd length somewhere
        else:
            data = bytearray(good[kinds[(k + 1) % len(kinds)]])  # another type's message
        try:
            cdr.decode(kind, bytes(data))
        except Refused as error:
            refused += 1
            assert "expected" in str(error) and "\n" not in str(error)
    assert refused > 3_000


def test_a_length_beyond_its_bound_is_refused_before_memory_is_taken():
    data = cdr.LITTLE_ENDIAN + bytes(36) + (4097).to_bytes(4, "little") + bytes(4 * 4097)
    with pytest.raises(Refused, match="at most"):
        cdr.decode("mat_ros/msg/Applied", data)


def test_an_unknown_type_is_refused():
    with pytest.raises(Refused, match="message type"):
        cdr.schema("geometry_msgs/msg/Twist")


def test_metadata_is_plain_json(tmp_path):
    bundle = record(tmp_path / "run.mcap")
    written = mcap.read(tmp_path / "run.mcap").metadata[FACTS]
    assert written == facts(bundle, ("arithmetic", "1", "cpu"), seed=0)
    said = {name: json.loads(value) for name, value in written.items()}
    assert (said["backend"], said["seed"]) == (["arithmetic", "1", "cpu"], 0)
