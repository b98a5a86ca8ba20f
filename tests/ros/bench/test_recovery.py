# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Every process of a graph may be struck: the robot keeps its commands and limits, and an operator resumes it."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the ros extra")
pytest.importorskip("mat_ros.msg", reason="needs compiled messages")

from mat_ros.bench import damage, recovery
from mat_ros.bench.logged_robot import CommandLog
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from support.pauses import LongestPause
from support.places import BUNDLES

JOINTS = Bundle.load(BUNDLES / "rwkv4").manifest.joints
PERIOD = 20_000_000
PAUSES = 4  # processes that a command passes, each of which a busy machine may pause
QUIET_PERIODS = 3.0  # longest gap on a machine that runs every process at once


def log(times_ns: list[float], commands: list[float], places: list[float] | None = None) -> CommandLog:
    columns = [np.array(times_ns)[:, None], np.repeat(np.array(commands)[:, None], 4, axis=1),
               np.repeat(np.array(commands if places is None else places)[:, None], 4, axis=1)]
    return CommandLog(np.hstack(columns))


def test_a_gap_is_the_longest_time_between_two_commands_with_the_last_one_before_the_blow():
    seen = log([0, PERIOD, 5 * PERIOD, 6 * PERIOD], [0.0] * 4).between(2 * PERIOD, 6 * PERIOD)
    assert seen.times_ns.tolist() == [PERIOD, 5 * PERIOD, 6 * PERIOD]
    assert damage.gap(seen, PERIOD) == 4.0


def test_a_step_is_held_against_the_limit_unless_it_moves_nothing():
    step = 0.5 * min(joint.rate for joint in JOINTS) * PERIOD * 1e-9
    walk = log([k * PERIOD for k in range(12)], [k * step for k in range(12)], [9.0] * 12)
    assert 0.4 < damage.step(walk, JOINTS, PERIOD) <= 0.5 + 1e-9
    jump = log([0, PERIOD], [0.0, 1.2], [0.0, 0.0])
    assert damage.step(jump, JOINTS, PERIOD) > 2.0
    found = log([0, PERIOD], [0.0, 1.2], [0.0, 1.2])
    assert damage.step(found, JOINTS, PERIOD) == 0.0


def test_a_stop_is_false_where_neither_gate_nor_driver_was_struck():
    rows = [damage.Row(name, "kill", 2.0, 0.5, 0, True, 1.0, 0) for name in ("safety", "encoder", "encoder")]
    found = damage.summary(rows)
    assert [(f["process"], f["count"], f["stops"], f["false_stops"]) for f in found] == [
        ("safety", 1, 1, 0), ("encoder", 2, 2, 2)]
    assert damage.table(found).count("\n") == 3


def test_a_process_that_the_graph_does_not_have_is_refused_with_those_that_it_has():
    with pytest.raises(Refused, match="driver.*got \\['nobody'\\]"):
        recovery.main(["--policy", str(BUNDLES / "rwkv4"), "--wiring", "central", "--processes", "nobody"])


@pytest.mark.ros
def test_a_struck_gate_leaves_the_robot_commanded_within_limits_and_no_process_behind(tmp_path, capsys):
    out = tmp_path / "recovery.jsonl"
    words = ["--policy", str(BUNDLES / "rwkv4"), "--wiring", "central", "--count", "1", "--out", str(out),
             "--processes", "safety", "chain", "--blows"]
    with LongestPause() as pause:
        assert recovery.main([*words, "kill", "stop"]) == 0
        earlier = out.read_text()
        assert recovery.main([*words, "kill", "stop", "restart"]) == 0  # goes on with what is missing
    assert out.read_text().startswith(earlier)
    assert "0 processes were left behind" in capsys.readouterr().out
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert sorted((row["process"], row["blow"]) for row in rows) == [
        (process, blow) for process in ("chain", "safety") for blow in ("kill", "restart", "stop")]
    assert all(row["step"] <= 1.0 + 1e-6 and row["outside"] == row["left"] == 0 for row in rows)
    # A gate that is told to end brings the robot to its fallback, and then no command is missed.
    longest = QUIET_PERIODS + PAUSES * pause.seconds * 1e9 / PERIOD
    assert all(row["gap_periods"] < longest for row in rows if row["blow"] != "restart"), longest
    assert all(row["stopped"] for row in rows
               if row["process"] == "safety" and row["blow"] != "restart")  # and it was resumed
    with pytest.raises(Refused, match="name another file"):
        recovery.main([*words, "kill", "--mode", "strict"])
