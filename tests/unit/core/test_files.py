# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Where a disk takes no more, each writer leaves the old file or none, and the error names the file."""

from __future__ import annotations

import csv
import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from mat_ros.bench.faults.table import Table
from mat_ros.core import files
from mat_ros.core.errors import unusable
from mat_ros.view.page import Page, code

ROOM = 4096  # bytes that a file of the child may have; the kernel refuses more, as a full disk does
TOO_MUCH = "x" * 3 * ROOM


def in_a_full_place(write: Callable[[], object]) -> str:
    """Run a writer in a process whose files may not grow, and return the sentence with which it ends."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        said = "it has written"
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))
            write()
        except OSError as error:
            said = unusable(error)
        except BaseException as error:
            said = repr(error)
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def page() -> Page:
    page = Page("A report", "")
    page.add(code(TOO_MUCH))
    return page


WRITERS = {"text": lambda path: files.write_text(path, TOO_MUCH), "report": lambda path: page().write(path)}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("before", [None, "an earlier file"])
def test_a_file_is_whole_or_the_earlier_one_and_the_sentence_names_it(writer, before, tmp_path):
    path = tmp_path / "out" / "file"
    if before:
        files.write_text(path, before)
    said = in_a_full_place(lambda: WRITERS[writer](path))
    assert said == (f"cannot write {path}: File too large; free space on the disk, then run the command again")
    assert [file.read_text() for file in path.parent.iterdir()] == ([before] if before else [])


def row(episode: int, target: str, value: str = "1") -> dict[str, str]:
    return {"level": "actuator", "kind": "off", "severity": "1.0", "target": target, "information": "intent",
            "episode": str(episode), "return": value}


def test_a_table_that_a_disk_cut_off_goes_on_after_its_last_whole_cell(tmp_path):
    table = Table(tmp_path / "t" / "episodes.csv", tuple(row(0, "")), 2, {})
    table.add([row(0, "a"), row(1, "a")])
    said = in_a_full_place(lambda: table.add([row(0, "b", TOO_MUCH), row(1, "b")]))
    assert said.startswith(f"cannot write {table.path}: ")
    assert {key[3] for key in table.finished()} == {"a"}
    with table.path.open(newline="") as file:
        assert [found["target"] for found in csv.DictReader(file)] == ["a", "a"]


def test_a_table_survives_a_disk_that_is_full_while_its_cut_off_cells_are_removed(tmp_path):
    table = Table(tmp_path / "t" / "episodes.csv", tuple(row(0, "")), 2, {})
    table.add([row(0, "a", TOO_MUCH), row(1, "a"), row(0, "b")])
    before = table.path.read_bytes()
    assert in_a_full_place(table.finished).startswith(f"cannot write {table.path}: ")
    assert table.path.read_bytes() == before and len(list(table.path.parent.iterdir())) == 2


def test_an_error_that_names_its_file_keeps_it(tmp_path: Path):
    with pytest.raises(FileNotFoundError) as error, files.named(tmp_path / "other"):
        (tmp_path / "none").read_bytes()
    assert error.value.filename == str(tmp_path / "none")
