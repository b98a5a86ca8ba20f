# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""One fault file means the same in training, evaluation, lock-step and on the live graph; benchmarks resume."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="needs the sim extra")

from mat_ros import Chain, Robot
from mat_ros.backends.choose import open_backend
from mat_ros.bench.faults.benchmark import run
from mat_ros.bench.faults.cells import Setup, recovery
from mat_ros.bench.faults.grid import Grid, matching
from mat_ros.bench.faults.lockstep import LockStep
from mat_ros.bench.faults.table import COLUMNS, Table
from mat_ros.core import shipped
from mat_ros.core.errors import Refused
from mat_ros.core.faults.schedule import Fault, Schedule
from mat_ros.core.faults.targets import find_plan, targets
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.record.diff import diff
from mat_ros.core.record.gate import GateSetup
from mat_ros.core.record.record import Recorder, facts
from mat_ros.core.record.recording import Recording
from mat_ros.core.record.replay import replay
from mat_ros.hardware.breaking import Breaking
from mat_ros.hardware.simulated import SimulatedRobot

pytestmark = pytest.mark.sim

POLICIES = shipped.policy_names()
PLAN = """
name: trace
seed: 11
faults:
  - {actuator: weak, target: "robot0:FFJ3", severity: 0.5, start_s: 0.1}
  - {sensor: noise, target: "joint_position/robot0:MFJ3", severity: 0.02, start_s: 0.2, duration_s: 0.5}
random:
  - {actuator: "off", target: "robot1:*FJ3", severity: 1, start_s: [0, 1], count: 2}
"""


@pytest.fixture(scope="module")
def bundle():
    name = next((name for name in POLICIES if "door" in name), None)
    if name is None:
        pytest.skip("no policy of the dexterous hands is shipped")
    return Bundle.load(shipped.policy_folder(name))


@pytest.fixture(scope="module")
def lockstep(bundle):
    return LockStep(bundle, open_backend("auto", bundle), 2)


def test_one_file_gives_one_trace_in_training_lockstep_and_live(bundle, tmp_path):
    breakage = pytest.importorskip("training.envs.breakage", reason="needs the train extra")
    from mat_ros.worlds.faults import fault_targets

    (tmp_path / "trace.yaml").write_text(PLAN)
    file = str(tmp_path / "trace.yaml")
    robot = SimulatedRobot(bundle.manifest, seed=0)
    plan = find_plan(file, bundle.manifest.period_ns, fault_targets(robot.world))
    training = breakage.EpisodeFaults(plan, robot.world.joint_names, 1)
    ours = find_plan(file, bundle.manifest.period_ns, targets(bundle.manifest))
    live = Breaking(robot, bundle.manifest, file)
    for episode in range(3):
        trained = training.next(np.array([0])) if episode else training.restart()
        expected = trained[0].trace_hash(300)
        assert ours.schedule(episode).trace_hash(300) == expected
        assert live.schedule.trace_hash(300) == expected
        robot.reset()
        live.begin(0)


def test_a_live_fault_moves_the_robot_as_the_same_fault_in_lockstep_does(bundle, lockstep):
    broken = Fault("x", "actuator", "off", bundle.manifest.joints[3].name, 1.0, 0)
    seen = lockstep.run(3, [Schedule(0, [broken])] * 2, ticks=20, keep=True)
    robot = SimulatedRobot(bundle.manifest, seed=3)
    live = Breaking(robot, bundle.manifest)
    live.planned = Schedule(0, [broken])
    live.look(0)
    for tick in range(20):
        assert robot.read().signals.tobytes() == seen.signals[tick, 0].tobytes()
        robot.write(seen.commands[tick, 0])


def test_plain_python_and_lockstep_give_a_robot_the_same_commands(bundle, lockstep):
    seen = lockstep.run(3, ticks=20, keep=True)
    chain = Chain(bundle.folder)
    with Robot.simulated(chain, seed=3) as robot:
        commands = [step.applied.applied.tobytes() for step in chain.run(robot, ticks=20)]
    assert commands == [seen.commands[tick, 0].tobytes() for tick in range(20)]


def test_runs_with_the_same_seed_are_the_same_to_the_bit_and_are_decided_again(bundle, lockstep, tmp_path):
    info = lockstep.backend.info()
    for name in ("a", "b"):
        setup = GateSetup(bundle.manifest.joints, bundle.manifest.period_ns, lockstep.settings.gate, True, True)
        recorder = Recorder(tmp_path / f"{name}.mcap",
                            facts(bundle, (info.name, info.version, info.device), gate=setup.to_dict()))
        lockstep.run(7, [Schedule(1, [Fault("x", "node", "crash", lockstep.spans[-1].name, 1.0, 3)])] * 2,
                     ticks=12, recording=recorder)
        recorder.close()
    a, b = (Recording.load(tmp_path / f"{name}.mcap") for name in "ab")
    assert (diff(a, b).compared, diff(a, b).differing) == (12, 0)
    report = replay(a, bundle, lockstep.backend)
    assert (report.compared, report.differing) == (12, 0)
    assert (report.gate["commands"], report.gate["differing"]) == (12, 0)


def test_a_dead_chain_node_changes_no_command(lockstep):
    whole = lockstep.run(1, ticks=15, keep=True)
    dead = [Schedule(0, [Fault("x", "node", "crash", lockstep.spans[0].name, 1.0, 2)])] * 2
    assert lockstep.run(1, dead, ticks=15, keep=True).commands.tobytes() == whole.commands.tobytes()


def test_no_command_leaves_the_limits_whatever_breaks(lockstep):
    everything = [Fault(f"{k}", "sensor", "noise", f"joint_position/{name}", 3.0, 0)
                  for k, name in enumerate(lockstep.joint_names) if "base" not in name]
    found = lockstep.run(0, [Schedule(0, everything)] * 2, ticks=20)
    assert found.outside_after.sum() == 0
    assert found.outside_before.sum() > 0


def test_a_pattern_that_selects_no_cell_of_the_grid_is_refused_with_those_that_there_are(bundle):
    cells = Grid.load(Path(shipped.config_file("grids", "grid_hands")), bundle.manifest).cells
    with pytest.raises(Refused, match=r"--only: expected a pattern that .*actuator:off:.*, got actuator:offf"):
        matching(cells, "actuator:offf:*")


def test_a_comment_in_the_grid_changes_no_origin_and_a_value_does(bundle, tmp_path):
    text = shipped.config_file("grids", "grid_hands").read_text()
    grids = {"as_shipped": text, "commented": f"# a comment\n{text}",
             "other": text.replace("onset_s: 0.5", "onset_s: 0.6")}
    origins = []
    for name, grid in grids.items():
        (tmp_path / name).write_text(grid)
        origins.append(Setup(str(bundle.folder), "auto", str(tmp_path / name), 2, 0, 8, "optimistic").origin())
    assert origins[0] == origins[1] != origins[2]


def test_a_benchmark_that_was_cut_short_goes_on_where_it_was(bundle, tmp_path):
    grid = shipped.config_file("grids", "grid_hands")
    setup = Setup(str(bundle.folder), "auto", str(grid), 2, 0, 8, "optimistic")
    cells = matching(Grid.load(Path(grid), bundle.manifest).cells, "node:*")
    out = tmp_path / "episodes.csv"
    run(setup, cells, out, 1)
    whole = _rows(out)
    lines = out.read_text().splitlines()
    out.write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:20])  # killed within a line
    assert len(Table(out, COLUMNS, setup.episodes, setup.origin()).finished()) == len(cells) - 1
    run(setup, cells, out, 1)
    assert _rows(out) == whole
    with pytest.raises(Refused, match=r"expected \{'seed': 0\}, got \{'seed': 1\}; ask for the same"):
        run(replace(setup, seed=1), cells, out, 1)
    out.with_suffix(".json").unlink()
    with pytest.raises(Refused, match=r"a readable episodes\.json beside it"):
        run(setup, cells, out, 1)
    assert _rows(out) == whole


def _rows(path):
    """Read what does not depend on how fast the machine was."""
    with path.open(newline="") as file:
        return [{k: v for k, v in row.items() if "computing" not in k} for row in csv.DictReader(file)]


def test_every_cell_of_the_shipped_grids_fits_a_shipped_policy(bundle):
    cells = Grid.load(Path(shipped.config_file("grids", "grid_hands")), bundle.manifest).cells
    assert len({cell.key for cell in cells}) == len(cells) > 40
    for cell in cells:
        cell.schedule(bundle.manifest, 10, 0)


def test_recovery_counts_from_the_onset_until_the_reward_is_back_for_good():
    period = 100_000_000
    rewards = np.ones(200)
    assert recovery(rewards, 100, period) == 0
    rewards[100:130] = 0.0
    assert 125 - 100 <= recovery(rewards, 100, period) <= 140 - 100
    rewards[130:] = 0.2
    assert recovery(rewards, 100, period) == -1
