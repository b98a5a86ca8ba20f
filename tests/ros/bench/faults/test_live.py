# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Cells of the fault benchmark run as live graphs: the same faults in the same ticks, beside lock-step's returns."""

from __future__ import annotations

import csv

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="needs the sim extra")
pytest.importorskip("rclpy", reason="needs the ros extra")
pytest.importorskip("mat_ros.msg", reason="needs compiled messages")

from mat_ros.bench.faults import live as live_faults
from mat_ros.bench.faults.cells import Setup
from mat_ros.bench.faults.command import main
from mat_ros.bench.faults.grid import Grid
from mat_ros.bench.faults.live import Live, commands, episode, lay_out, live_cells
from mat_ros.bench.faults.table import GAP
from mat_ros.core import shipped
from mat_ros.core.faults.plan_file import parse_plan, plan_text
from mat_ros.core.faults.targets import targets
from mat_ros.core.policy.bundle import Bundle

pytestmark = [pytest.mark.ros, pytest.mark.sim]

POLICY = "halfcheetah_mat"


@pytest.fixture(scope="module")
def bundle():
    return Bundle.load(shipped.policy_folder(POLICY))


@pytest.fixture(scope="module")
def grid(bundle):
    return Grid.load(shipped.config_file("grids", "grid"), bundle.manifest)


def setup(bundle, ticks):
    return Setup(str(bundle.folder), "auto", str(shipped.config_file("grids", "grid")), 1, 0, ticks, "optimistic")


def test_a_plan_that_is_written_down_breaks_the_same_things_in_the_same_ticks(bundle, grid):
    period_ns, names = bundle.manifest.period_ns, targets(bundle.manifest)
    for cell in grid.cells:
        if cell.level != GAP:
            schedule = cell.schedule(bundle.manifest, 7, 3)
            read = parse_plan(plan_text(schedule, cell.words, period_ns), period_ns, names).schedule()
            assert read.trace_hash(12) == schedule.trace_hash(12)


def test_the_small_subset_is_a_cell_of_each_kind_and_the_nominal_one(grid):
    found = [(cell.level, cell.kind, cell.severity) for cell in live_cells(grid.cells)]
    assert found == [("nominal", "none", 0.0), ("actuator", "off", 1.0), ("message", "drop", 0.2),
                     ("node", "crash", 1.0)]
    chosen = live_cells(grid.cells, ["actuator:*:bfoot", "gap:*"])
    assert {cell.level for cell in chosen} == {"nominal", "actuator"}
    assert {cell.information for cell in chosen} == {"intent", "truth"}


def test_a_node_that_is_to_stay_dead_is_not_started_again(bundle, grid, tmp_path):
    (cell,) = [cell for cell in live_cells(grid.cells) if cell.level == "node"]
    nodes = {spec.name: spec for spec in lay_out(setup(bundle, 40), bundle, cell, 1, 10, tmp_path).nodes}
    assert [name for name, spec in nodes.items() if not spec.respawn] == ["sim", cell.target]
    assert (nodes["sim"].parameters["number"], nodes["sim"].parameters["ticks"]) == (1, 40)


def test_what_was_not_commanded_before_the_robot_moved_on_is_missing():
    period = 10
    trace = np.array([[0, 0, 0, 0, 4], [1, 2, 0, 0, 8], [1, 6, 0, 0, 25],  # the second is nobody's tick
                      [3, 0, 0, 0, 12], [4, 0, 0, 0, 2], [5, 6, 0, 0, 8]])  # late; after the end
    found = commands(trace, 5, 0, 6, period)
    assert found["commands"] == 30
    assert found["missing"] == 2 + 6 + 6  # undecided, never measured, late


def test_a_graph_that_does_not_come_up_is_left_out_and_the_others_go_on(bundle, grid, tmp_path, monkeypatch):
    row = dict.fromkeys(live_faults.COLUMNS, 1.0) | {"policy": POLICY}

    def sometimes(setup, bundle, cell, number):
        key = dict(zip(live_faults.KEY, cell.key, strict=True))
        return (None, "the graph gave no episode") if cell.level == "message" else (row | key, "")

    monkeypatch.setattr(live_faults, "episode", sometimes)
    live = Live()
    live.run(setup(bundle, 40), bundle, grid.cells, 2, (), tmp_path / "live.csv")
    assert live.left_out == [f"{POLICY}, message drop 0.2 * intent: the graph gave no episode"]
    with (tmp_path / "live.csv").open() as file:
        assert [row["level"] for row in csv.DictReader(file)] == ["nominal"] * 2 + ["actuator"] * 2 + ["node"] * 2


def test_patience_with_a_graph_ends_with_a_sentence(bundle, grid):
    row, trouble = episode(setup(bundle, 1), bundle, grid.cells[0], 0, start_s=0.2)
    assert row is None
    assert "no episode within" in trouble


def test_a_live_benchmark_stands_beside_its_lock_step_and_goes_on_where_it_was(tmp_path, capsys):
    words = ["--policy", POLICY, "--grid", "grid", "--episodes", "1", "--ticks", "45", "--only", "node:crash:chain_b*",
             "--live", "1", "--live-only", "node:crash:chain_bfoot", "--out", str(tmp_path)]
    assert main(words) == 0
    with (tmp_path / POLICY / "live.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["kind"], row["ticks"], row["commands"]) for row in rows] == [
        ("none", "45", "270"), ("crash", "45", "270")]
    assert all(int(row["missing"]) < 270 for row in rows)
    assert all(float(row["latency_p50_ms"]) > 0.0 for row in rows)
    assert "On the live graph" in (tmp_path / "report.html").read_text()
    assert "chain_bfoot" in (tmp_path / "summary.md").read_text().partition("live graph")[2]
    capsys.readouterr()
    assert main(words) == 0
    assert "live " not in capsys.readouterr().err  # nothing was left to run
