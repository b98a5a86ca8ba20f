# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Several processes share a run of the tests. Each has a ROS domain of its own, and runs whole files."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("xdist", reason="needs the dev extra (pytest-xdist)")

from support import ros_domain
from support.made_up_run import run
from support.places import TESTS
from support.scheduling import unit

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="domains are claimed with abstract sockets")

NOTES_ITS_WORKER = """
import os, pathlib, time
import pytest

@pytest.mark.parametrize("k", range(4))
def test_of_this_file(k):
    time.sleep(0.1)
    with pathlib.Path(__file__).with_suffix("." + os.environ["PYTEST_XDIST_WORKER"]).open("a") as file:
        print(os.environ["ROS_DOMAIN_ID"], file=file)
"""


def test_each_worker_has_a_ros_domain_of_its_own_and_whole_files(tmp_path):
    for number in range(3):
        (tmp_path / f"test_{number}.py").write_text(NOTES_ITS_WORKER)
    done = run(tmp_path, "", "-n", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    domains = {path.name: path.read_text().split() for path in tmp_path.glob("test_*.gw*")}
    assert sorted(name.partition(".")[0] for name in domains) == ["test_0", "test_1", "test_2"]
    assert {len(found) for found in domains.values()} == {4}
    of_worker = [{domain for name, found in domains.items() if name.endswith(worker) for domain in found}
                 for worker in ("gw0", "gw1")]
    assert [len(found) for found in of_worker] == [1, 1]
    assert len({*of_worker[0], *of_worker[1], os.environ["ROS_DOMAIN_ID"]}) == 3


def test_graphs_are_one_unit_and_other_files_one_each():
    graphs = {unit(f"tests/ros/{file}::test_x[a/b::c]") for file in ("graph/test_a.py", "nodes/test_b.py")}
    others = {unit(f"tests/{file}::test_x") for file in ("ros/package/test_c.py", "unit/test_d.py", "unit/test_e.py")}
    assert (len(graphs), len(others), len(graphs & others)) == (1, 3, 0)


def test_every_process_of_the_tests_has_a_ros_domain_of_its_own():
    claimed = [ros_domain.claim() for _ in range(5)]
    program = "from support import ros_domain; print(ros_domain.claim().number)"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True,
                           env={**os.environ, "PYTHONPATH": str(TESTS)})
    numbers = [domain.number for domain in claimed] + [int(other.stdout), int(os.environ["ROS_DOMAIN_ID"])]
    for domain in claimed:
        domain.socket.close()
    assert len(set(numbers)) == len(numbers)
    assert set(numbers) <= set(ros_domain.DOMAINS)


def test_when_every_ros_domain_is_taken_that_is_said(monkeypatch):
    monkeypatch.setattr(ros_domain, "DOMAINS", [int(os.environ["ROS_DOMAIN_ID"])])
    with pytest.raises(RuntimeError, match="expected a free ROS domain"):
        ros_domain.claim()
