# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A recording is decided again to the bit; the first tick, slot and field that differ are named."""

import numpy as np
import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.record.reader import open_source
from mat_ros.core.record.recording import Recording
from mat_ros.core.record.replay import replay
from mat_ros.core.record.writer import Writer
from mat_ros.core.tick.messages import Override, Validity
from support.recorded import PERIOD_NS, arithmetic, record

OUT = {1: Override(np.zeros(1, np.float32), Validity.HELD)}
PERIOD_S = PERIOD_NS / 1e9
HUGE = 2**64 - 1


def again(path, bundle, start_s=0.0, stop_s=None, **how):
    return replay(Recording.load(path, start_s=start_s, stop_s=stop_s), bundle, arithmetic(bundle), **how)


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
    without = Recording.load(tmp_path / "run.mcap")
    vars(without)["_topics"] = {name: topic for name, topic in without._topics.items() if topic != "overrides"}
    report = replay(without, bundle, arithmetic(bundle))
    assert report.differing == 3
    assert report.first["tick"] == 3


def test_a_truncated_recording_is_compared_as_far_as_it_goes(tmp_path):
    bundle = record(tmp_path / "run.mcap", ticks=30)
    data = (tmp_path / "run.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(data[:len(data) * 6 // 10])
    report = again(tmp_path / "cut.mcap", bundle)
    assert report.truncated
    assert 0 < report.ticks < 30
    assert report.differing == 0
    assert report.notes[-1].startswith("cut.mcap is truncated: what was recorded later than 0.")


def test_another_policy_is_refused(tmp_path):
    bundle = record(tmp_path / "other.mcap", digest="f" * 64)
    with pytest.raises(Refused, match="bundle"):
        again(tmp_path / "other.mcap", bundle)


def test_messages_of_another_policy_are_not_compared(tmp_path):
    def of_another(topic, message):
        if topic == "decision":
            message.manifest ^= message.tick == 2

    bundle = record(tmp_path / "run.mcap", lie_at=2, change=of_another)
    assert again(tmp_path / "run.mcap", bundle).differing == 0


def test_recordings_of_other_programs_beside_ours_are_left_alone(tmp_path):
    bundle = record(tmp_path / "run.mcap")
    writer = Writer(tmp_path / "more.mcap")
    writer.write("/camera/image", "sensor_msgs/msg/Image", "uint8[] data\n", 0, b"\x00\x01\x00\x00")
    for message in open_source(tmp_path / "run.mcap").messages():
        writer.write(message.topic, message.type, "", message.time_ns, message.data)
    writer.close()
    assert again(tmp_path / "more.mcap", bundle).compared == 6


def test_a_slice_of_time_decides_what_was_observed_in_it_and_nothing_else(tmp_path):
    bundle = record(tmp_path / "run.mcap", ticks=20, lie_at=4, overrides=OUT)
    whole = again(tmp_path / "run.mcap", bundle)
    assert (whole.ticks, whole.differing) == (20, 1)
    early, late = (again(tmp_path / "run.mcap", bundle, start_s=start_s, stop_s=stop_s)
                   for start_s, stop_s in ((0.0, 5 * PERIOD_S), (5 * PERIOD_S, 12 * PERIOD_S)))
    assert (early.ticks, early.compared, early.differing, early.first) == (5, 5, 1, whole.first)
    assert (late.ticks, late.compared, late.differing, late.unmatched) == (7, 7, 0, 0)
    record(tmp_path / "true.mcap", ticks=20, overrides=OUT)
    assert late.values == 7 * again(tmp_path / "true.mcap", bundle).values // 20


def test_a_slice_holds_a_tick_whole_wherever_its_messages_were_recorded(tmp_path):
    bundle = record(tmp_path / "run.mcap", ticks=10)
    writer = Writer(tmp_path / "late.mcap")
    found = open_source(tmp_path / "run.mcap")
    writer.metadata("mat_ros", found.survey.metadata["mat_ros"])
    for message in found.messages():
        later = 0 if message.topic == "observation" else 3 * PERIOD_NS // 2  # into the tick after the next
        writer.write(message.topic, message.type, "", message.time_ns + later, message.data)
    writer.close()
    report = again(tmp_path / "late.mcap", bundle, start_s=3 * PERIOD_S, stop_s=6 * PERIOD_S)
    assert (report.ticks, report.compared, report.unmatched) == (3, 3, 0)
    assert report.values == again(tmp_path / "run.mcap", bundle).values * 3 // 10


def test_a_slice_in_which_nothing_was_observed_says_so(tmp_path):
    bundle = record(tmp_path / "run.mcap")
    report = again(tmp_path / "run.mcap", bundle, start_s=0.001, stop_s=0.002)
    assert (report.ticks, report.notes) == (0, ["no observation was recorded in this slice"])


def test_messages_without_their_observation_are_counted(tmp_path):
    def moved(topic, message):
        if topic == "observation" and message.tick == 3:
            message.tick = 99

    bundle = record(tmp_path / "run.mcap", change=moved)
    report = again(tmp_path / "run.mcap", bundle)
    assert (report.ticks, report.compared, report.differing) == (6, 5, 0)
    assert report.unmatched == 1 + 4 + 4 + 1  # encoding, batons, decisions, applied


def test_the_first_difference_is_that_of_the_first_observation_in_any_order_of_messages(tmp_path):
    bundle = record(tmp_path / "run.mcap", change=lambda topic, message: topic == "applied" and message.tick in (2, 4)
                    and message.requested.__setitem__(0, 9.0))
    writer, found = Writer(tmp_path / "mixed.mcap"), list(open_source(tmp_path / "run.mcap").messages())
    writer.metadata("mat_ros", open_source(tmp_path / "run.mcap").survey.metadata["mat_ros"])
    last = [message for message in reversed(found) if message.topic == "applied"]
    for message in [message for message in found if message.topic != "applied"] + last:
        writer.write(message.topic, message.type, "", message.time_ns, message.data)
    writer.close()
    for name in ("run", "mixed"):
        report = again(tmp_path / f"{name}.mcap", bundle)
        assert (report.compared, report.differing) == (6, 2)
        assert report.first == {"tick": 2, "slot": -1, "field": "applied.requested"}


@pytest.mark.parametrize(("topic", "field", "value", "sentence"), [
    ("encoding", "enc", np.zeros(3, np.float32), "encoding: expected 4 x .* values, got 3"),
    ("encoding", "values", np.zeros(9, np.float32), "encoding, values: expected 4 x 1 values, got 9"),
    ("baton/slot_1", "slot", 40000, "baton, validity: expected 40001 values, got 2"),
    ("decision", "validity", np.zeros(0, np.uint8), "decision, slots: expected first <= last < 0"),
    ("applied", "actions", np.zeros(2, np.float32), "applied, actions: expected 4 x 1 values, got 2"),
    ("applied", "validity", np.zeros(9, np.uint8), "applied, validity: expected 4 values, got 9"),
    ("observation", "signals", np.zeros(1, np.float32), "measurements: expected .* values, got 1"),
])
def test_a_message_of_the_wrong_size_is_refused_in_one_sentence(tmp_path, topic, field, value, sentence):
    bundle = record(tmp_path / "run.mcap",
                    change=lambda name, message: name == topic and setattr(message, field, value))
    with pytest.raises(Refused, match=sentence):
        again(tmp_path / "run.mcap", bundle)


@pytest.mark.parametrize(("topic", "count"), [("decision", 6), ("baton/slot_3", 6)])
def test_more_slots_than_the_policy_has_are_refused_in_one_sentence(tmp_path, topic, count):
    def grown(name, message):
        if name == topic:
            message.actions, message.validity = np.zeros(count, np.float32), np.zeros(count, np.uint8)
            message.slot = count - 1

    bundle = record(tmp_path / "run.mcap", change=grown)
    with pytest.raises(Refused, match=f"recorded {topic.partition('/')[0]}: expected at most 4 slots, got 6"):
        again(tmp_path / "run.mcap", bundle)


@pytest.mark.parametrize("sampled", [False, True])
def test_a_tick_beyond_all_numbers_is_decided_or_refused_in_one_sentence(tmp_path, sampled):
    bundle = record(tmp_path / "run.mcap", sampled=sampled,
                    change=lambda topic, message: setattr(message, "tick", HUGE))
    if not sampled:
        assert again(tmp_path / "run.mcap", bundle).differing == 0
    else:
        with pytest.raises(Refused, match=f"recorded tick: expected a number below {HUGE}, got {HUGE}"):
            again(tmp_path / "run.mcap", bundle)
