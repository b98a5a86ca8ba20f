# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A run of the tests that leaves something on the machine fails and names it. What other runs leave does not count."""

import os
import signal
import subprocess
import sys
import time
import uuid

import pytest

from support import strays
from support.made_up_run import run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

MAPS = """
import mmap, sys, time
file = open(sys.argv[1], "w+b")
file.truncate(4096)
kept = mmap.mmap(file.fileno(), 4096)
print("mapped", flush=True)
time.sleep(60)
"""

LEAVES = """
import os, pathlib, subprocess, sys, tempfile, time
from support import strays

strays.PATIENCE_S = 0.5

def test_leaves_a_process():
    process = subprocess.Popen(["sleep", "123"], stdout=subprocess.DEVNULL)
    pathlib.Path(__file__).with_name("process").write_text(str(process.pid))

def test_leaves_a_folder():
    tempfile.mkdtemp(prefix="mat_ros_demo_")

def test_leaves_shared_memory():
    program = [sys.executable, "-c", os.environ["MAPS"], os.environ["SHARED"]]
    process = subprocess.Popen(program, stdout=subprocess.PIPE)
    process.stdout.readline()
    time.sleep(1.0)
    process.kill()
    process.wait()
"""

CLEAN = """
import subprocess, tempfile, pathlib

def test_cleans_up(tmp_path):
    (tmp_path / "result").touch()
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "x").touch()
    subprocess.run(["true"], check=True)
"""


class Mappers:
    """Processes that map files, each with a mark."""

    def __init__(self):
        self.started = []

    def start(self, path, mark):
        environment = {**os.environ, strays.MARK: mark}
        self.started.append(subprocess.Popen([sys.executable, "-c", MAPS, str(path)], stdout=subprocess.PIPE,
                                             env=environment))
        assert self.started[-1].stdout.readline() == b"mapped\n"
        return self.started[-1]

    def end(self):
        for process in self.started:
            process.kill()
            process.wait()
            process.stdout.close()


@pytest.fixture
def mappers():
    made = Mappers()
    yield made
    made.end()


def leave(folder, *words):
    """Run the tests that leave something; say whether their shared memory was there, and remove it."""
    shared = strays.SHARED_MEMORY / f"mat_ros_{uuid.uuid4().hex}"
    done = run(folder, LEAVES, *words, MAPS=MAPS, SHARED=str(shared))
    there = shared.exists()
    shared.unlink(missing_ok=True)
    return done, there


def test_a_run_that_leaves_something_fails_and_names_it(tmp_path):
    done, there = leave(tmp_path)
    said = done.stdout + done.stderr
    os.kill(int((tmp_path / "process").read_text()), signal.SIGKILL)
    assert there
    assert "3 passed" in said
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, said
    left = said.partition("left on the machine")[2]
    assert "sleep 123" in left
    assert "temporary mat_ros_demo_" in left
    assert "::test_leaves_shared_memory: 1 files such as mat_ros_" in left


def test_what_a_worker_leaves_is_named_too(tmp_path):
    done, there = leave(tmp_path, "-n", "1", "-k", "not process")
    said = done.stdout + done.stderr
    assert there
    assert "2 passed" in said
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, said
    left = said.partition("left on the machine")[2]
    assert "temporary mat_ros_demo_" in left
    assert "::test_leaves_shared_memory: 1 files such as mat_ros_" in left


def test_a_run_that_leaves_nothing_passes(tmp_path):
    done = run(tmp_path, CLEAN)
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    assert "left on the machine" not in done.stdout


def test_only_shared_memory_that_the_own_run_has_mapped_is_noted(tmp_path, mappers):
    own, other = uuid.uuid4().hex, uuid.uuid4().hex
    root = mappers.start(tmp_path / "fastrtps_before", other)
    watch = strays.Watch(own, root.pid, tmp_path)
    killed = mappers.start(tmp_path / "fast_datasharing_own", own)
    mappers.start(tmp_path / "fast_datasharing_other", other)
    mappers.start(tmp_path / "another_program's", own)
    (tmp_path / "fastdds_nobody's").touch()
    time.sleep(4 * strays.LOOK_S)
    killed.kill()
    time.sleep(4 * strays.LOOK_S)
    assert watch.end() == {"fast_datasharing_own"}


def test_a_process_belongs_to_a_run_by_its_mark_or_by_descent(tmp_path, mappers, monkeypatch):
    own, other = uuid.uuid4().hex, uuid.uuid4().hex
    marked, strange = mappers.start(tmp_path / "a", own), mappers.start(tmp_path / "b", other)
    assert set(strays.processes(own, root=strange.pid)) == {marked.pid}
    assert {marked.pid, strange.pid} <= set(strays.processes(uuid.uuid4().hex, root=os.getpid()))
    assert strange.pid not in strays.processes(other, root=os.getpid(), known=(strange.pid,))
    marked.kill()
    assert strays.lasting_processes(own, strange.pid) == {}
    monkeypatch.setattr(strays, "PATIENCE_S", 0.0)
    assert set(strays.lasting_processes(other, marked.pid)) == {strange.pid}


def test_a_network_namespace_belongs_to_the_process_whose_number_it_bears(tmp_path):
    for name in ("mr123a", "mr123b", "mat_ros_probe_123", "mr1234a", "mr12a", "other"):
        (tmp_path / name).touch()
    assert strays.namespaces(123, tmp_path) == {"mr123a", "mr123b", "mat_ros_probe_123"}
