# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A recording says what made it, refuses what is no evidence, and stays on the disk while it is read."""

import json

import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.record.mcap import Message
from mat_ros.core.record.recording import REQUIRED, Recording
from mat_ros.core.record.ticks import Ticks
from mat_ros.core.record.writer import Writer
from support.recorded import PERIOD_NS, record

LENGTH_S = 5 * PERIOD_NS / 1e9  # from the first of six ticks to the last


def test_a_recording_says_what_made_it(tmp_path):
    bundle = record(tmp_path / "run.mcap")
    said = Recording.load(tmp_path / "run.mcap").facts
    assert said["digest"] == bundle.digest
    assert said["backend"] == ["arithmetic", "1", "cpu"]
    assert {"mat_ros", "python", "numpy", "seed", "policy"} <= set(said)


def test_metadata_is_plain_json(tmp_path):
    record(tmp_path / "run.mcap")
    recording = Recording.load(tmp_path / "run.mcap")
    texts = recording._source.survey.metadata["mat_ros"]
    assert {name: json.loads(text) for name, text in texts.items()} == recording.facts


def test_the_last_word_on_what_made_it_counts(tmp_path):
    writer = Writer(tmp_path / "run.mcap")
    for backend in (["", "", ""], ["native", "2", "cpu"]):
        writer.metadata("mat_ros", {"backend": json.dumps(backend)})
    writer.close()
    assert Recording.load(tmp_path / "run.mcap", required=()).facts["backend"] == ["native", "2", "cpu"]


@pytest.mark.parametrize(("name", "text", "expected"), [
    ("task", "no JSON at all", "a JSON text, got 'no JSON at all'; record it anew"),
    ("task", "", "a JSON text, got ''"),
    ("task", "[" * 100_000, r"a JSON text, got '\[{40}'"),
    ("task", "1" * 10_000, "a JSON text, got '1{40}'"),
    ("digest", "3", "a text, got '3'"),
    ("backend", '"native"', "a name, a version and a device"),
    ("backend", '["native", "1"]', "a name, a version and a device"),
    ("backend", '["native", 1, "cpu"]', "a name, a version and a device"),
    ("seed", "1e999", "a whole number of 64 bits, got '1e999'"),
    ("seed", "Infinity", "a whole number of 64 bits"),
    ("seed", "9" * 30, "a whole number of 64 bits"),
    ("seed", "0.5", "a whole number of 64 bits"),
    ("sampled", "1", "true or false"),
])
def test_metadata_that_says_nothing_is_refused_in_one_sentence(tmp_path, name, text, expected):
    writer = Writer(tmp_path / "run.mcap")
    writer.metadata("mat_ros", {name: text})
    writer.close()
    with pytest.raises(Refused, match=f"metadata {name}: expected {expected}") as refused:
        Recording.load(tmp_path / "run.mcap", required=())
    assert len(str(refused.value)) < 300


def test_sampled_actions_without_their_seed_are_refused(tmp_path):
    writer = Writer(tmp_path / "run.mcap")
    writer.metadata("mat_ros", {"sampled": "true"})
    writer.close()
    with pytest.raises(Refused, match="expected a seed, since actions were sampled, got \\['sampled'\\]"):
        Recording.load(tmp_path / "run.mcap", required=())


@pytest.mark.parametrize("absent", REQUIRED)
def test_a_missing_topic_is_refused_by_name(tmp_path, absent):
    record(tmp_path / "run.mcap", topics=[t for t in REQUIRED if t != absent])
    with pytest.raises(Refused, match=absent):
        Recording.load(tmp_path / "run.mcap")


@pytest.mark.parametrize(("start_s", "stop_s", "expected"), [
    (-0.1, None, "start of the slice: expected 0 to 0.100 s, got -0.1 s"),
    (LENGTH_S + 0.01, None, "start of the slice: expected 0 to 0.100 s, got 0.11 s"),
    (float("nan"), None, "start of the slice: expected 0 to 0.100 s, got nan s"),
    (float("inf"), None, "start of the slice: expected 0 to 0.100 s, got inf s"),
    (0.05, 0.05, "end of the slice: expected a time behind 0.05 s, got 0.05 s"),
    (0.0, -1.0, "end of the slice: expected a time behind 0 s, got -1 s"),
    (0.0, float("nan"), "end of the slice: expected a time behind 0 s, got nan s"),
])
def test_a_slice_that_is_not_in_the_recording_is_refused(tmp_path, start_s, stop_s, expected):
    record(tmp_path / "run.mcap")
    with pytest.raises(Refused, match=expected):
        Recording.load(tmp_path / "run.mcap", start_s=start_s, stop_s=stop_s)


@pytest.mark.parametrize("stop_s", [None, 1.0, 1e300, float("inf")])
def test_a_slice_may_end_with_the_recording(tmp_path, stop_s):
    record(tmp_path / "run.mcap")
    recording = Recording.load(tmp_path / "run.mcap", start_s=0.04, stop_s=stop_s)
    assert [message.tick for message in recording.of("observation")] == [2, 3, 4, 5]


def test_a_tick_leaves_the_memory_as_soon_as_its_last_message_is_read():
    read = []

    def messages():
        for k in range(3000):
            read.append(k)
            yield "a", Message("a", "x/msg/A", k, 0, bytes([k // 3 % 256]))

    ticks = Ticks(messages, lambda topic, message: message.time_ns // 3 if message.time_ns != 4 else None)
    read.clear()
    for name, said in ticks:
        assert [message.time_ns for _, message in said] == [k for k in range(3 * name, 3 * name + 3) if k != 4]
        assert read[-1] == 3 * name + 2
    assert ticks.counts[1] == 2


def test_ticks_whose_messages_are_mixed_are_whole():
    order = [0, 1, 2, 0, 2, 1, 1, 0]
    ticks = Ticks(lambda: (("a", Message("a", "x/msg/A", k, 0, b"")) for k in range(len(order))),
                  lambda topic, message: order[message.time_ns])
    assert [(name, [m.time_ns for _, m in said]) for name, said in ticks] == [
        (2, [2, 4]), (1, [1, 5, 6]), (0, [0, 3, 7])]
