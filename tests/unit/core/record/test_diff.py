# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Two recordings are compared tick by tick; the first tick, slot and field that differ are named."""

import numpy as np
import pytest

from mat_ros.core.record.diff import diff
from mat_ros.core.record.reader import open_source
from mat_ros.core.record.recording import Recording
from mat_ros.core.record.writer import Writer
from mat_ros.core.tick.collect import NONE
from mat_ros.core.wire.tick import TICK
from support.recorded import record


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


@pytest.mark.parametrize("field", ["actions", "requested", "applied", "reasons"])
def test_another_command_is_a_difference(tmp_path, field):
    def changed(topic, message):
        if topic == "applied" and message.tick == 4:
            values = np.array(getattr(message, field))
            values.flat[0] += 1
            setattr(message, field, values)

    record(tmp_path / "a.mcap")
    record(tmp_path / "b.mcap", change=changed)
    found = diff(*(Recording.load(tmp_path / f"{name}.mcap") for name in "ab"))
    assert found.differing == 1
    assert found.first == {"tick": 4, "slot": -1, "field": f"applied.{field}"}


def test_a_run_that_began_later_is_compared_where_both_go(tmp_path):
    record(tmp_path / "a.mcap", ticks=12)
    writer = Writer(tmp_path / "b.mcap")
    for message in open_source(tmp_path / "a.mcap").messages():
        if message.time_ns >= open_source(tmp_path / "a.mcap").survey.last_ns // 2:
            writer.write(message.topic, message.type, "", message.time_ns, message.data)
    writer.close()
    a, b = (Recording.load(tmp_path / f"{name}.mcap") for name in "ab")
    for found in (diff(a, b), diff(b, a)):
        assert (found.ticks, found.compared, found.differing, found.unmatched) == (12, 6, 0, 6)
        assert found.notes == ["6 ticks are in one of the two only, the first is 0"]


def test_which_of_the_two_is_truncated_is_said(tmp_path):
    record(tmp_path / "a.mcap", ticks=12)
    data = (tmp_path / "a.mcap").read_bytes()
    (tmp_path / "b.mcap").write_bytes(data[:len(data) * 6 // 10])
    found = diff(Recording.load(tmp_path / "a.mcap"), Recording.load(tmp_path / "b.mcap"))
    assert found.truncated
    assert found.differing <= 1  # the tick in which the file was cut
    assert 5 < found.compared < 12
    assert found.notes[-1].startswith("b.mcap is truncated: what was recorded later than")


def test_another_stop_is_a_difference(tmp_path):
    def changed(topic, message):
        if topic == "applied" and message.tick == 4:
            message.stopped = True

    record(tmp_path / "a.mcap")
    record(tmp_path / "b.mcap", change=changed)
    found = diff(*(Recording.load(tmp_path / f"{name}.mcap") for name in "ab"))
    assert found.first == {"tick": 4, "slot": -1, "field": "applied.stopped"}


def test_ticks_that_no_node_decided_are_counted_apart(tmp_path):
    for name in "ab":
        record(tmp_path / f"{name}.mcap", ticks=12, silent=(5, 6))
    found = diff(*(Recording.load(tmp_path / f"{name}.mcap") for name in "ab"))
    assert (found.ticks, found.compared, found.undecided, found.differing) == (12, 10, 2, 0)


def test_commands_that_follow_a_decided_one_without_a_decision_are_no_difference(tmp_path):
    def resting(topic, message):
        if topic == "applied" and message.tick == 5:
            message.validity = np.full_like(message.validity, NONE)
            message.applied = message.applied + 1.0
            message.stopped = True

    record(tmp_path / "a.mcap")
    record(tmp_path / "resting.mcap", change=resting)
    writer = Writer(tmp_path / "b.mcap")
    for message in open_source(tmp_path / "a.mcap").messages():
        writer.write(message.topic, message.type, "", message.time_ns, message.data)
    for message in open_source(tmp_path / "resting.mcap").messages():
        if message.topic.endswith("applied") and int.from_bytes(message.data[TICK], "little") == 5:
            writer.write(message.topic, message.type, "", message.time_ns + 1, message.data)
    writer.close()
    decided, then_resting, only_resting = (Recording.load(tmp_path / f"{name}.mcap") for name in ("a", "b", "resting"))
    for found in (diff(decided, then_resting), diff(then_resting, decided)):
        assert (found.compared, found.differing, found.first) == (6, 0, None)
    assert diff(decided, only_resting).differing == 1  # there, the decided command itself is missing
