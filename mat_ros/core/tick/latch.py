# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Keep a latched stop on disk, so that it outlives every process and the launch. Only an operator undoes it.

Each robot has one file in the state folder. The file is there before the stop is reported. A disk can take longer than
a robot may wait for its next command. So what commands a robot lets a thread write the file, and a thread flushes it. A
file that a loss of power has cut counts as a stop.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mat_ros.core.errors import Refused

DISK_S = 5.0  # patience with a disk at the end of a process
STATE = "MAT_ROS_STATE"  # environment variable that names another state folder


@dataclass(frozen=True)
class Stop:
    """Hold why and when a robot was stopped."""

    robot: str
    cause: str
    at: str  # wall time, for a person to read


def state_folder() -> Path:
    """Return the folder of the files that must outlive a launch."""
    given = os.environ.get(STATE)
    if given:
        return Path(given)
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "mat_ros"


def stops(folder: Path | None = None) -> list[Stop]:
    """Return every stop that is latched on this machine for this user."""
    files = sorted((folder or state_folder()).glob("*.stop"))
    return [stop for file in files if (stop := _read(file)) is not None]


def _read(file: Path) -> Stop | None:
    """Return the stop of a file, or None without a file. A file that cannot be read counts as a stop."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return Stop(str(data["robot"]), str(data["cause"]), str(data["at"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Stop(file.stem, f"{file} cannot be read: {error}", "unknown")


def _flush(file: Path) -> None:
    """Wait until the file and its place in the folder are on the disk itself."""
    for path in (file, file.parent):
        with contextlib.suppress(OSError):  # an operator has released the stop meanwhile, or the disk has failed
            opened = os.open(path, os.O_RDONLY)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)


class StopLatch:
    """Read, write and undo the stop of one robot."""

    def __init__(self, robot: str, folder: Path | None = None) -> None:
        self.robot = robot
        self.file = (folder or state_folder()) / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', robot)}.stop"
        self.writing = False  # a stop is on its way to the disk
        self._writer: threading.Thread | None = None

    def read(self) -> Stop | None:
        """Return the latched stop; None if no stop is latched."""
        return _read(self.file)

    def write(self, cause: str) -> Stop:
        """Put a stop on disk and return it. A stop that is on disk already keeps its cause.

        The cause of a stop that cannot be put on disk says so. No error is raised, since the robot has to be stopped.
        """
        known = self.read()
        if known is not None:
            return known
        stop = Stop(self.robot, cause, time.strftime("%Y-%m-%d %H:%M:%S"))
        beside = self.file.with_suffix(f".{os.getpid()}")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(asdict(stop)), encoding="utf-8")
            beside.replace(self.file)  # the file appears whole or not at all
        except OSError as error:
            return replace(stop, cause=f"{cause} (not on disk, so a restart forgets it: {error})")
        threading.Thread(target=_flush, args=(self.file,), daemon=True).start()
        return stop

    def write_aside(self, cause: str, then: Callable[[Stop], object] = lambda stop: None) -> None:
        """Put a stop on disk as `write` does, in a thread, which then passes the stop on. Return at once."""
        self.writing = True

        def write() -> None:
            stop = self.write(cause)
            self.writing = False
            then(stop)

        self._writer = threading.Thread(target=write, daemon=True)
        self._writer.start()

    def wait(self, patience_s: float = DISK_S) -> None:
        """Wait until no stop is on its way to the disk."""
        if self._writer is not None:
            self._writer.join(patience_s)

    def release(self, named: str) -> Stop | None:
        """Undo the stop for an operator who names the robot, and return the stop; None if no stop was latched."""
        if named != self.robot:
            raise Refused("resume", f"the robot's name, {self.robot}", named or "none",
                          "look at the robot, then name it")
        stop = self.read()
        self.file.unlink(missing_ok=True)
        return stop
