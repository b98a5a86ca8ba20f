# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Keep the evidence of a run: every message in a file, and those of the last seconds in memory.

A full disk ends the file and not the memory. A recorder that is started again in the same launch continues in a new
file, whose facts tell which part of the run is missing between both files.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mat_ros.core.errors import Refused
from mat_ros.core.files import is_full
from mat_ros.core.record.reader import first_metadata
from mat_ros.core.record.record import FACTS, FlightRecorder, Recorder


class Evidence:
    """Record messages into a file, a flight recorder, or both."""

    def __init__(self, said: dict[str, str], file: str = "", flight: str = "", seconds: float = 10.0,
                 launch: str = "") -> None:
        """Open a new file, or the next one where a recorder of the same `launch` has written the file before."""
        self.trouble = ""  # why a part of the evidence is not on disk; empty where everything is
        self._said = {**said, "launch": json.dumps(launch)}
        self._flight = Path(flight)
        self._ring = FlightRecorder(self._said, seconds) if flight else None
        self._path = Path(file)
        self._file: Recorder | None = None
        if file:
            self._path, gap = next_file(self._path, launch)
            if gap:
                self._say(gap=gap)
            try:
                self._file = Recorder(self._path, self._said)
            except OSError as error:
                if not is_full(error):
                    raise
                self._end(error)

    def __len__(self) -> int:
        """Return the number of messages in memory."""
        return 0 if self._ring is None else len(self._ring)

    @property
    def file(self) -> str:
        """Return the path of the file that is written; empty where none is."""
        return "" if self._file is None else str(self._path)

    def raw(self, topic: str, time_ns: int, data: bytes) -> None:
        """Record a message as serialised bytes."""
        if self._ring is not None:
            self._ring.raw(topic, time_ns, data)
        self._write(lambda file: file.raw(topic, time_ns, data))

    def say(self, **more: object) -> None:
        """Add facts about the recording; a later value of a fact replaces an earlier one."""
        if self._say(**more):
            self._write(lambda file: file.facts(self._said))

    def parameters(self, node: str, values: Mapping[str, object]) -> None:
        """Add the parameters of a node."""
        self._write(lambda file: file.parameters(node, values))

    def flush(self) -> None:
        """Write the messages that wait in memory into the file."""
        self._write(lambda file: file.flush())

    def dump(self, reason: str) -> Path | None:
        """Write the last seconds into a file of their own, and return its path; None where nothing was written."""
        if not len(self) or self._ring is None:
            return None
        try:
            return self._ring.dump(self._flight, reason)
        except OSError as error:
            self.trouble = self._sentence(self._flight, error)
            return None

    def close(self) -> None:
        """Finish the file."""
        self._write(lambda file: file.close())

    def _say(self, **more: object) -> bool:
        """Store facts, and return whether any of them is new."""
        texts = {name: json.dumps(value) for name, value in more.items()}
        if texts.items() <= self._said.items():
            return False
        self._said |= texts
        if self._ring is not None:
            self._ring.said = dict(self._said)
        return True

    def _write(self, write: Callable[[Recorder], None]) -> None:
        """Write into the file, and end the file where the disk does not take it."""
        if self._file is None:
            return
        try:
            write(self._file)
        except OSError as error:
            self._end(error)

    def _end(self, error: OSError) -> None:
        if self._file is not None:
            self._file.abandon()
        self._file = None
        self.trouble = self._sentence(self._path, error)

    @staticmethod
    def _sentence(path: Path, error: OSError) -> str:
        return str(Refused(f"recording {path}", "a disk that takes it", error.strerror,
                           "free space on the disk, then launch again to record further"))


def next_file(path: Path, launch: str) -> tuple[Path, dict[str, object]]:
    """Return the path of a new file, and what is missing before it.

    Nothing is missing, unless a recorder of the same launch has written `path` and ended. The new file then has a
    number in its name. The file of another launch stays the chosen path, and `Recorder` refuses it.
    """
    if not path.exists() or not _is_of(path, launch):
        return path, {}
    before, free = path, path
    for free in _numbered(path):
        if not free.exists():
            break
        before = free if _is_of(free, launch) else before
    return free, {"file": before.name, "from_ns": before.stat().st_mtime_ns, "to_ns": time.time_ns()}


def _numbered(path: Path) -> Iterator[Path]:
    return (path.with_name(f"{path.stem}.{number}{path.suffix}") for number in itertools.count(2))


def _is_of(path: Path, launch: str) -> bool:
    """Return whether a recorder of this launch has written a file."""
    return bool(launch) and first_metadata(path, FACTS).get("launch") == json.dumps(launch)
