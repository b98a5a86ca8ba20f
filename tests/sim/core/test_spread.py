# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Work is spread over processes or Ray: the same results in any order, also where a worker is killed."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import pickle
from pathlib import Path

import pytest

pytest.importorskip("mujoco", reason="needs the sim extra")

from mat_ros.bench.faults.command import main
from mat_ros.core import shipped
from mat_ros.core.errors import Missing, Refused
from mat_ros.core.spread import LOCAL, connect, spread

pytestmark = pytest.mark.sim

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the ray extra")
LISTENS, LOOPBACKS = "0A", ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")


def length(shared, item):
    return len(shared) + len(item)


@pytest.mark.parametrize("processes", [0, 2])
def test_every_item_gives_its_result(processes):
    if processes:  # a spawned process imports the function by name
        assert sorted(spread(pow, 2, [3, 4, 5], processes)) == [8, 16, 32]
    else:
        assert list(spread(length, "ab", ["c", "de"])) == [3, 4]


@pytest.mark.parametrize("error", [Refused("grid", "YAML", "noise", "correct it"), Missing("Ray", "install it")])
def test_a_refusal_reaches_another_process_whole(error):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))


def test_without_ray_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(Missing, match=r"\[ray\]"):
        list(spread(pow, 2, [3], ray=LOCAL))


@needs_ray
def test_a_killed_worker_costs_no_result_and_a_refusal_is_told(tmp_path):
    def fragile(folder, item):
        import os
        import signal

        from mat_ros.core.errors import Refused

        if item == "refused":
            raise Refused("item", "another", item, "choose it")
        mark = f"{folder}/{item}"
        if not os.path.exists(mark):
            open(mark, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    assert sorted(spread(fragile, str(tmp_path), ["a", "b"], ray=LOCAL)) == ["a", "b"]
    with pytest.raises(Refused, match="expected another"):
        list(spread(fragile, str(tmp_path), ["refused"], ray=LOCAL))


@needs_ray
def test_a_ray_of_this_machine_is_reached_from_this_machine_only():
    ray = connect(LOCAL)
    try:
        heard = listening("gcs_server", "raylet")
    finally:
        ray.shutdown()
    assert len(heard) >= 2
    assert set(heard) <= set(LOOPBACKS)


def listening(*names):
    """Give the addresses at which processes of these names listen, as the kernel writes them."""
    inodes = set()
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):  # it has just ended
            if comm.read_text().strip() in names:
                inodes |= {str(link.readlink())[8:-1] for link in (comm.parent / "fd").iterdir()}  # socket:[inode]
    lines = [line.split() for kind in ("tcp", "tcp6") for line in Path("/proc/net", kind).read_text().splitlines()]
    return [line[1].partition(":")[0] for line in lines if line[3] == LISTENS and line[9] in inodes]


@needs_ray
def test_a_benchmark_gives_the_same_table_on_ray_with_relative_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "halfcheetah_mat"
    (tmp_path / "policy").symlink_to(shipped.policy_folder(name))
    (tmp_path / "grid.yaml").write_text("onset_s: 0.1\nstart: {joint_position: 0.05}\nfaults:\n"
                                        "  - {actuator: 'off', each: 'b*'}\n")
    words = ["--policy", "./policy", "--grid", "./grid.yaml", "--episodes", "2", "--ticks", "8"]
    assert main([*words, "--out", "here"]) == 0
    assert main([*words, "--out", "there", "--ray", "local"]) == 0
    assert rows(tmp_path / "there" / name) == rows(tmp_path / "here" / name)


def rows(folder):
    """Read what does not depend on how fast the machine was."""
    with (folder / "episodes.csv").open(newline="") as file:
        found = [{k: v for k, v in row.items() if "computing" not in k} for row in csv.DictReader(file)]
    return sorted(found, key=lambda row: tuple(row.values()))
