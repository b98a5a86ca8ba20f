# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A task that was done once is reached; success is a task that is done at the end, and has been for half a second."""

import numpy as np

from mat_ros.worlds.completion import Completion

PERIOD_NS = 16_666_667  # 60 Hz: half a second is 30 ticks


def after(*phases):
    """Return the completion of one episode after phases (done, ticks)."""
    completion = Completion(1, PERIOD_NS)
    for done, ticks in phases:
        for _ in range(ticks):
            completion.note(np.array([done]))
    return bool(completion.reached[0]), bool(completion.success[0])


def test_a_door_that_opened_and_fell_shut_is_reached_and_no_success():
    assert after((False, 50), (True, 150), (False, 1)) == (True, False)


def test_a_door_that_never_opened_is_neither():
    assert after((False, 250)) == (False, False)


def test_success_takes_half_a_second_at_the_end_however_long_the_door_was_open_before():
    assert after((True, 100), (False, 1), (True, 29)) == (True, False)
    assert after((True, 100), (False, 1), (True, 30)) == (True, True)


def test_half_a_second_is_rounded_up_to_whole_ticks():
    completion = Completion(1, 300_000_000)
    for expected in (False, True):
        completion.note(np.array([True]))
        assert completion.success[0] == expected


def test_a_new_episode_has_nothing_of_the_last_one_and_the_other_rows_go_on():
    completion = Completion(2, PERIOD_NS)
    for _ in range(29):
        completion.note(np.array([True, True]))
    completion.begin(np.array([0]))
    completion.note(np.array([True, True]))
    assert completion.success.tolist() == [False, True]
    completion.begin(np.array([0]))
    assert completion.reached.tolist() == [False, True]


def test_a_snapshot_goes_on_where_it_was_taken_and_an_older_one_counts_anew():
    completion = Completion(1, PERIOD_NS)
    for _ in range(29):
        completion.note(np.array([True]))
    kept = completion.snapshot()
    for snapshot, expected in ((kept, True), ({"succeeded": kept["succeeded"]}, False)):
        again = Completion(1, PERIOD_NS)
        again.restore(snapshot)
        again.note(np.array([True]))
        assert (again.reached[0], again.success[0]) == (True, expected)
