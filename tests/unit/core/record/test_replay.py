# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A recording is decided again to the bit; the first tick, slot and field that differ are named."""

import numpy as np
import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.record import mcap
from mat_ros.core.record.replay import Recording, diff, replay
from mat_ros.core.tick.messages import Override, Validity
from support.recorded import arithmetic, record

OUT = {1: Override(np.zeros(1, np.float32), Validity.HELD)}
REQUIRED = ("observation", "encoding", "decision", "applied")


def again(path, bundle, **how):
    return replay(Recording.load(path), bundle, arithmetic(bundle), **how)


def test_a_true_recording_differs_in_no_bit(tmp_path):
    bundle = record(tmp_path / "run.mcap")
    report = again(tmp_path / "run.mcap", bundle)
    assert (report.ticks, report.compared, report.differing, report.first) == (6, 6, 0, None)
    assert report.values > 6 * 4 * 80  # the states of all batons are among them


def test_one_bit_is_found_with_its_tick_slot_and_field(tmp_path):
    bundle = record(tmp_path / "run.mcap", lie_at=4)
    report = again(tmp_path / "run.mcap", bundle)
    assert (report.compared, report.differing) == (6, 1)
    assert report.first == {"tick": 4, "slot": 2, "field": "decision.actions"}


def test_one_bit_is_within_the_tolerance_of_another_backend(tmp_path):
    bundle = record(tmp_path / "run.mcap", lie_at=4)
    report = again(tmp_path / "run.mcap", bundle, tolerance=1e-5)
    assert (report.differing, report.equality) == (0, "tolerance")


def test_what_the_chain_was_told_of_a_broken_joint_is_part_of_the_replay(tmp_path):
    bundle = record(tmp_path / "run.mcap", overrides=OUT, override_from=3)
    assert again(tmp_path / "run.mcap", bundle).differing == 0
    recording = Recording.load(tmp_path / "run.mcap")
    recording.messages["overrides"] = []
    report = replay(recording, bundle, arithmetic(bundle))
    assert report.differing == 3
    assert report.first["tick"] == 3


@pytest.mark.parametrize("absent", REQUIRED)
def test_a_missing_topic_is_refused_by_name(tmp_path, absent):
    record(tmp_path / "run.mcap", topics=[t for t in REQUIRED if t != absent])
    with pytest.raises(Refused, match=absent):
        Recording.load(tmp_path / "run.mcap")


def test_a_truncated_recording_is_compared_as_far_as_it_goes(tmp_path):
    bundle = record(tmp_path / "run.mcap", ticks=30)
    data = (tmp_path / "run.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(data[:len(data) * 6 // 10])
    report = again(tmp_path / "cut.mcap", bundle)
    assert report.truncated
    assert 0 < report.ticks < 30
    assert report.differing == 0


def test_another_policy_is_refused(tmp_path):
    bundle = record(tmp_path / "run.mcap")
    recording = Recording.load(tmp_path / "run.mcap")
    recording.facts["digest"] = "f" * 64
    with pytest.raises(Refused, match="bundle"):
        replay(recording, bundle, arithmetic(bundle))


def test_messages_of_another_policy_are_not_compared(tmp_path):
    bundle = record(tmp_path / "run.mcap", lie_at=2)
    recording = Recording.load(tmp_path / "run.mcap")
    for message in recording.of("decision"):
        message.manifest ^= message.tick == 2
    assert replay(recording, bundle, arithmetic(bundle)).differing == 0


def test_recordings_of_other_programs_beside_ours_are_left_alone(tmp_path):
    bundle = record(tmp_path / "run.mcap")
    writer = mcap.Writer(tmp_path / "more.mcap")
    writer.write("/camera/image", "sensor_msgs/msg/Image", "uint8[] data\n", 0, b"\x00\x01\x00\x00")
    for message in mcap.read(tmp_path / "run.mcap").messages:
        writer.write(message.topic, message.type, "", message.time_ns, message.data)
    writer.close()
    assert again(tmp_path / "more.mcap", bundle).compared == 6


def test_two_equal_runs_show_no_difference_and_two_unequal_ones_the_first(tmp_path):
    record(tmp_path / "a.mcap")
    record(tmp_path / "b.mcap")
    record(tmp_path / "c.mcap", lie_at=3)
    record(tmp_path / "d.mcap", ticks=8)
    a, b, c, d = (Recording.load(tmp_path / f"{name}.mcap") for name in "abcd")
    assert (diff(a, b).compared, diff(a, b).differing) == (6, 0)
    assert (diff(a, d).differing, diff(a, d).unmatched) == (0, 2)
    # A slot said something else, and nothing else was done.
    assert (diff(a, c).differing, diff(a, c).first) == (0, None)
    assert diff(a, c).notes[0].startswith("in 1 ticks other messages led to the same")
    assert diff(a, c).notes[0].endswith("the first: tick 3, slot 2, decision.actions")
    for field in ("actions", "requested", "applied", "reasons"):
        changed = Recording.load(tmp_path / "b.mcap")
        message = next(m for m in changed.of("applied") if m.tick == 4)
        values = np.array(getattr(message, field))
        values.flat[0] += 1
        setattr(message, field, values)
        assert diff(a, changed).differing == 1
        assert diff(a, changed).first == {"tick": 4, "slot": -1, "field": f"applied.{field}"}
