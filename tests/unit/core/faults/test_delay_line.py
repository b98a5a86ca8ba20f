# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Messages come late, twice or overtaken, each copy once, and none after the node has ceased to work."""

from __future__ import annotations

import pytest

from mat_ros.core.faults.delay_line import DelayLine


@pytest.fixture
def line() -> DelayLine[str]:
    return DelayLine()


def test_a_message_without_delay_is_handed_on_at_once_and_does_not_wait(line: DelayLine[str]):
    assert line.send("a", [0], now_ns=5) == ["a"]
    assert line.next_ns is None and line.due(10**9) == []


def test_a_late_message_comes_when_it_is_due_and_not_before(line: DelayLine[str]):
    assert line.send("a", [100], now_ns=5) == []
    assert line.next_ns == 105
    assert line.due(104) == []
    assert line.due(105) == ["a"]
    assert line.next_ns is None and line.due(10**9) == []


def test_a_doubled_message_comes_twice(line: DelayLine[str]):
    assert line.send("a", [0, 0], now_ns=0) == ["a", "a"]
    assert line.send("b", [0, 7], now_ns=0) == ["b"]
    assert line.due(7) == ["b"]


def test_a_lost_message_never_comes(line: DelayLine[str]):
    assert line.send("a", [], now_ns=0) == [] and line.next_ns is None


def test_a_delayed_message_is_overtaken_by_a_later_one(line: DelayLine[str]):
    line.send("first", [50], now_ns=0)
    assert line.send("second", [0], now_ns=10) == ["second"]
    line.send("third", [20], now_ns=10)
    assert line.next_ns == 30
    assert line.due(60) == ["third", "first"]


def test_messages_that_are_due_together_keep_their_order_whatever_they_are():
    line: DelayLine[object] = DelayLine()
    messages = [object() for _ in range(20)]  # which cannot be compared
    for message in messages:
        line.send(message, [5], now_ns=0)
    assert line.due(5) == messages


def test_nothing_comes_after_the_line_was_cleared(line: DelayLine[str]):
    line.send("a", [5, 9], now_ns=0)
    line.clear()
    assert line.next_ns is None and line.due(10**9) == []
