# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The evidence of a run survives a full disk, and a recorder that ends; a new file states what is missing."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import pytest

from mat_ros.core.errors import Refused
from mat_ros.core.record import writer
from mat_ros.core.record.diff import diff
from mat_ros.core.record.evidence import Evidence
from mat_ros.core.record.recording import Recording
from mat_ros.core.wire import cdr

LAUNCH = "a" * 32
KIND = "mat_ros/msg/FaultState"


class OnDisk:
    def __init__(self, disk: Disk, file: BinaryIO) -> None:
        self._disk, self._file = disk, file

    def write(self, data: bytes) -> int:
        return self._file.write(self._disk.take(data))

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


class Disk:
    """A disk whose files take a number of bytes together."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, free: float) -> None:
        self.free, create = free, writer._create

        monkeypatch.setattr(writer, "_create", lambda path: OnDisk(self, create(path)))

    def take(self, data: bytes) -> bytes:
        if len(data) > self.free:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.free -= len(data)
        return data


def tick(k: int) -> bytes:
    return cdr.encode(KIND, SimpleNamespace(tick=k, enabled=False, ids=[], kinds=[], targets=[], severities=[]))


def ticks(path: Path) -> list[int]:
    return [message.tick for message in Recording.load(path, required=()).of("fault_state")]


def run(evidence: Evidence, first: int, stop: int) -> None:
    for k in range(first, stop):
        evidence.raw("fault_state", k * 20_000_000, tick(k))
        if k % 10 == 9:
            evidence.flush()


def test_a_full_disk_ends_the_file_and_not_the_memory_and_a_later_stop_is_written(tmp_path, monkeypatch):
    disk = Disk(monkeypatch, 20_000)
    evidence = Evidence({}, str(tmp_path / "run.mcap"), str(tmp_path / "flight.mcap"), seconds=1.0)
    run(evidence, 0, 1000)
    assert evidence.trouble == (f"recording {tmp_path / 'run.mcap'}: expected a disk that takes it, got No space left "
                                "on device; free space on the disk, then launch again to record further")
    assert evidence.file == ""
    whole = ticks(tmp_path / "run.mcap")
    assert whole == list(range(len(whole))) and 100 < len(whole) < 1000  # what was on disk stays readable
    assert evidence.dump("a stop was latched") is None  # the disk is still full
    assert "flight.mcap" in evidence.trouble
    disk.free = 1e6
    run(evidence, 1000, 1100)
    dumped = evidence.dump("a stop was latched")
    assert dumped is not None
    assert ticks(dumped) == list(range(1049, 1100))
    evidence.close()


def test_a_disk_that_is_full_from_the_beginning_leaves_the_memory(tmp_path, monkeypatch):
    disk = Disk(monkeypatch, 10)
    evidence = Evidence({}, str(tmp_path / "run.mcap"), str(tmp_path / "flight.mcap"))
    run(evidence, 0, 20)
    assert evidence.trouble and len(evidence) == 20
    disk.free = 1e6
    assert ticks(evidence.dump("a stop was latched")) == list(range(20))


def test_a_folder_that_is_none_is_no_full_disk(tmp_path):
    (tmp_path / "notes").write_text("evidence")
    with pytest.raises(OSError, match="exists|directory"):
        Evidence({}, str(tmp_path / "notes" / "run.mcap"))


def test_a_recorder_that_ended_is_continued_in_a_new_file_that_states_what_is_missing(tmp_path):
    first = Evidence({}, str(tmp_path / "run.mcap"), launch=LAUNCH)
    run(first, 0, 100)  # and then the process ends: nothing is closed
    before = (tmp_path / "run.mcap").read_bytes()
    second = Evidence({}, str(tmp_path / "run.mcap"), launch=LAUNCH)
    run(second, 150, 200)
    third = Evidence({}, str(tmp_path / "run.mcap"), str(tmp_path / "flight.mcap"), launch=LAUNCH)
    run(third, 200, 210)
    assert (tmp_path / "run.mcap").read_bytes() == before
    assert [ticks(tmp_path / name)[0] for name in ("run.mcap", "run.2.mcap", "run.3.mcap")] == [0, 150, 200]
    gaps = {name: Recording.load(tmp_path / name, required=()).facts.get("gap")
            for name in ("run.mcap", "run.2.mcap", "run.3.mcap")}
    assert gaps["run.mcap"] is None
    assert (gaps["run.2.mcap"]["file"], gaps["run.3.mcap"]["file"]) == ("run.mcap", "run.2.mcap")
    assert 0 <= gaps["run.2.mcap"]["to_ns"] - gaps["run.2.mcap"]["from_ns"] < 60e9
    found = Recording.load(tmp_path / "run.2.mcap", required=())
    assert found.gap.startswith("run.2.mcap continues run.mcap, whose recorder had ended: what was sent in 0.")
    assert any("continues run.mcap" in note for note in diff(found, found).notes)
    assert Recording.load(third.dump("a stop was latched"), required=()).facts["gap"]["file"] == "run.2.mcap"


@pytest.mark.parametrize("launch", ["", "b" * 32])
def test_the_file_of_another_launch_is_neither_continued_nor_written_over(tmp_path, launch):
    run(Evidence({}, str(tmp_path / "run.mcap"), launch=LAUNCH), 0, 100)
    with pytest.raises(Refused, match=r"run.mcap: expected a new file, got an existing file of"):
        Evidence({}, str(tmp_path / "run.mcap"), launch=launch)
    assert not (tmp_path / "run.2.mcap").exists()


def test_a_file_of_somebody_else_under_the_next_name_is_left_alone(tmp_path):
    run(Evidence({}, str(tmp_path / "run.mcap"), launch=LAUNCH), 0, 100)
    (tmp_path / "run.2.mcap").write_text("notes")
    evidence = Evidence({}, str(tmp_path / "run.mcap"), launch=LAUNCH)
    assert evidence.file == str(tmp_path / "run.3.mcap")
    assert (tmp_path / "run.2.mcap").read_text() == "notes"


@pytest.mark.parametrize("gap", [7, {}, {"file": "run.mcap", "from_ns": "then", "to_ns": 1}])
def test_a_gap_that_is_none_is_refused_in_one_sentence(tmp_path, gap):
    Evidence({"gap": json.dumps(gap)}, str(tmp_path / "run.mcap")).close()
    with pytest.raises(Refused, match=r"metadata gap: expected a file and two times in ns"):
        Recording.load(tmp_path / "run.mcap", required=())


def test_facts_that_are_not_new_are_not_written_again(tmp_path):
    evidence = Evidence({}, str(tmp_path / "run.mcap"))
    size = [(evidence.say(gate={"period_ns": 1}), (tmp_path / "run.mcap").stat().st_size)[1] for _ in range(2)]
    assert size[0] == size[1]
