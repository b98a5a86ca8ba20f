# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A recorder keeps evidence: in a new file, or in memory for the moment something breaks."""

from types import SimpleNamespace

import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.record.record import TYPES, FlightRecorder, Recorder, facts, plain
from mat_ros.core.record.recording import Recording
from support.recorded import BUNDLE, record


def test_a_file_that_exists_is_never_written_over(tmp_path):
    record(tmp_path / "run.mcap")
    before = (tmp_path / "run.mcap").read_bytes()
    with pytest.raises(Refused, match=r"run.mcap: expected a new file, got an existing file of 0.0 MB; give another"):
        Recorder(tmp_path / "run.mcap", {})
    assert (tmp_path / "run.mcap").read_bytes() == before
    (tmp_path / "empty.mcap").touch()  # another recorder may have created it just now
    with pytest.raises(Refused, match=r"empty.mcap: expected a new file"):
        Recorder(tmp_path / "empty.mcap", {})


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
