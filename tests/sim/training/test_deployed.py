# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""An evaluation behind the gate has the commands of a deployment, bit for bit, and counts what its robots achieve."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("mujoco", reason="needs the sim extra")

from mat_ros import Chain, Robot
from mat_ros.hardware.simulated import SimulatedRobot
from mat_ros.worlds.scatter import Scatter
from mat_ros.worlds.tasks.doors import DoorOpenOutward
from training import evaluate
from training.deployed import run_bundle
from training.envs import make

pytestmark = pytest.mark.sim
SEED, COPIES, SCATTER = 7, 2, Scatter(0.05)


def evaluated(chain: Chain, deterministic: bool, gated: bool = True):
    """Return the results of an evaluation, and the commands (tick, copy, joint) that its robots received."""
    environment = make(chain.manifest.task, COPIES)
    environment.world.scatter = SCATTER
    commands, step = [], environment._faulty.step

    def watched(command):
        commands.append(command.copy())
        return step(command)

    environment._faulty.step = watched
    return run_bundle(chain.bundle, environment, SEED, deterministic, gated), np.array(commands)


def deployed(chain: Chain, copy: int, ticks: int = 250):
    """Return the result of an episode of the lock-step deployment, and its commands (tick, joint)."""
    hardware = SimulatedRobot(chain.manifest, seed=SEED, number=copy, scatter=SCATTER)
    steps = chain.run(Robot(hardware, lockstep=True), ticks)
    commands = np.array([step.applied.applied for step in steps])
    return hardware.result(), commands


@pytest.mark.parametrize("sampled", [False, True], ids=["deterministic", "sampled"])
@pytest.mark.parametrize("policy", ["dexhands_door_mat", "dexhands_door_marwkv4"])
def test_an_evaluation_behind_the_gate_has_the_commands_of_the_lock_step_deployment_bit_for_bit(policy, sampled):
    chain = Chain(policy)
    found, commands = evaluated(chain, deterministic=not sampled)
    for copy in range(COPIES):
        alone = Chain(policy, seed=SEED + copy, sampled=sampled)
        result, expected = deployed(alone, copy)
        assert commands[:, copy].tobytes() == expected.tobytes()
        assert (found.lengths[copy], found.reached[copy], found.success[copy]) == (
            result.ticks, result.reached, result.success)
    assert not np.array_equal(commands[0, 0], commands[0, 1])  # or the copies would prove one episode


def test_a_running_robot_has_the_commands_of_its_deployment_too_and_no_goal():
    chain = Chain("halfcheetah_mat")
    found, commands = evaluated(chain, deterministic=True)
    for copy in range(COPIES):
        result, expected = deployed(chain, copy, ticks=1000)
        assert commands[:, copy].tobytes() == expected.tobytes()
        assert found.lengths[copy] == result.ticks
        assert found.returns[copy] == pytest.approx(result.total)  # with what the task charges for actions
    assert (len(found.reached), len(found.success)) == (0, 0)


def test_without_the_gate_the_first_commands_are_not_blended_in():
    chain = Chain("dexhands_door_mat")
    _, plain = evaluated(chain, deterministic=True, gated=False)
    _, gated = evaluated(chain, deterministic=True)
    signals = SimulatedRobot(chain.manifest, seed=SEED, scatter=SCATTER).read().signals
    np.testing.assert_array_equal(plain[0, 0], chain.command(chain.decide(signals)))
    assert (np.abs(plain[0] - gated[0]) > 0.1).any()


def test_a_door_that_has_just_been_opened_is_reached_and_no_success(monkeypatch):
    chain = Chain("dexhands_door_mat")
    for horizon in range(40, 250, 20):  # 20 ticks are less than the half a second for which a success is held
        monkeypatch.setattr(DoorOpenOutward, "horizon", horizon)
        found, _ = evaluated(chain, deterministic=True)
        if found.reached.any():
            break
    assert found.reached.any() and not found.success.any()
    monkeypatch.setattr(DoorOpenOutward, "horizon", 250)
    found, _ = evaluated(chain, deterministic=True)
    assert found.success.all()


def test_the_command_line_prints_each_cell_plainly_and_behind_the_gate(monkeypatch, capsys, tmp_path):
    table = tmp_path / "table.csv"
    words = ["dexhands_door_mat", "--gate", "--episodes=2", "--modes", "deterministic", "--json", "--csv", str(table)]
    monkeypatch.setattr(sys, "argv", ["evaluate", *words])
    assert evaluate.main() == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["gate"] for row in rows] == ["off", "on"]
    assert all(row["reached"] == 1.0 and row["reached_ci"][0] < 1.0 for row in rows)
    assert len(table.read_text(encoding="utf-8").splitlines()) == 3


def test_a_table_with_other_columns_is_not_appended_to(monkeypatch, capsys, tmp_path):
    table = tmp_path / "old.csv"
    table.write_text("checkpoint,success\n", encoding="utf-8")
    words = ["dexhands_door_mat", "--episodes", "1", "--modes", "deterministic", "--csv", str(table)]
    monkeypatch.setattr(sys, "argv", ["evaluate", *words])
    assert evaluate.main() == 1
    assert "name a new file" in capsys.readouterr().err
    assert table.read_text(encoding="utf-8") == "checkpoint,success\n"
