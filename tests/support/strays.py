# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Find what a run of the tests leaves on this machine: processes, shared memory, folders, network namespaces.

Other runs may be at work on the same machine. A process belongs to a run where it inherited the variable that marks the
run, or descends from the run's first process. `Watch` notes which files of shared memory such processes have mapped:
after a process was killed, nothing says any more whose its files were.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Collection
from pathlib import Path

MARK = "MAT_ROS_TEST_RUN"  # the variable
SHARED_MEMORY, NAMESPACES, PROC = Path("/dev/shm"), Path("/run/netns"), Path("/proc")
OURS_IN_SHARED_MEMORY = re.compile(r"(sem\.)?(fast_datasharing|fastdds|fastrtps|mat_ros)")
HELPERS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")  # end after the pytest that started them
PATIENCE_S = 10.0  # with processes that are about to end
LOOK_S = 0.25  # a node needs longer than this to start and be killed
LOOKS = 8  # at a new file, for a process to map it


class Watch:
    """A process that notes which shared memory a run maps. A thread would forbid the run's tests to fork nodes."""

    def __init__(self, mark: str, root: int, folder: Path = SHARED_MEMORY) -> None:
        others = {name: value for name, value in os.environ.items() if name != MARK}
        words = [sys.executable, __file__, mark, str(root), str(folder)]
        self._process = subprocess.Popen(words, text=True, env=others, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         start_new_session=True)
        assert self._process.stdout is not None
        self._process.stdout.readline()  # it has begun

    @property
    def number(self) -> int:
        """Return its process id."""
        return self._process.pid

    def end(self) -> set[str]:
        """Return the files that the run has mapped."""
        return set(self._process.communicate()[0].split())


def shared_memory(folder: Path = SHARED_MEMORY) -> set[str]:
    """Return the files of DDS and of this project."""
    return {path.name for path in folder.glob("*") if OURS_IN_SHARED_MEMORY.match(path.name)}


def members(mark: str, root: int) -> set[int]:
    """Return the living processes of a run."""
    wanted = f"{MARK}={mark}".encode()
    numbers = [int(folder.name) for folder in PROC.glob("[0-9]*")]
    found = {root} | {number for number in numbers if wanted in _read(PROC / str(number) / "environ").split(b"\0")}
    parents = {number: _parent(number) for number in numbers}
    while more := {number for number, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def processes(mark: str, root: int, known: Collection[int] = ()) -> dict[int, str]:
    """Return the living processes of a run besides its first one and those that are known, with their commands."""
    commands = {number: _read(PROC / str(number) / "cmdline").replace(b"\0", b" ").decode(errors="replace").strip()
                for number in members(mark, root) - {root, *known}}
    return {number: command for number, command in commands.items()
            if command and not any(helper in command for helper in HELPERS)}  # one that nobody waited for has none


def lasting_processes(mark: str, root: int, known: Collection[int] = ()) -> dict[int, str]:
    """Return the processes of a run that still live after a while."""
    give_up = time.monotonic() + PATIENCE_S
    while (found := processes(mark, root, known)) and time.monotonic() < give_up:
        time.sleep(0.1)
    return found


def namespaces(number: int, folder: Path = NAMESPACES) -> set[str]:
    """Return the network namespaces that bear the number of a process."""
    return {path.name for path in folder.glob("*") if re.fullmatch(rf"\D*{number}\D*", path.name)}


def entries(folder: Path) -> set[str]:
    """Return what lies in a folder."""
    return {path.name for path in folder.glob("*")}


def _parent(number: int) -> int:
    words = _read(PROC / str(number) / "stat").rpartition(b")")[2].split()
    return int(words[1]) if words else 0


def _mapped(number: int, folder: Path) -> set[str]:
    """Return which files of a folder a process has mapped."""
    lines = _read(PROC / str(number) / "maps").decode(errors="replace").splitlines()
    paths = [Path(line.split(maxsplit=5)[-1]) for line in lines if str(folder) in line]
    return {path.name for path in paths if path.parent == folder}


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # the process has ended, or belongs to another user
        return b""


def _watch(mark: str, root: int, folder: Path, end: threading.Event) -> set[str]:
    looks: Counter[str] = Counter(dict.fromkeys(shared_memory(folder), LOOKS))  # at files that are nobody's so far
    owned: set[str] = set()
    while not end.wait(LOOK_S):
        new = {name for name in shared_memory(folder) - owned if looks[name] < LOOKS}
        if new:
            owned |= new & {name for number in members(mark, root) for name in _mapped(number, folder)}
            looks.update(new)
    return owned


if __name__ == "__main__":
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    print(flush=True)
    print(*_watch(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), ended), sep="\n")
