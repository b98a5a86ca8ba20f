# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A robot, a world and a task of a user, outside the package: every command takes them, and the bundle does not lie."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("mujoco", reason="needs the sim extra")

from mat_ros import Chain, Robot  # noqa: E402
from mat_ros.cli import main as cli  # noqa: E402
from mat_ros.core.errors import Refused  # noqa: E402
from mat_ros.core.policy.bundle import Bundle  # noqa: E402
from mat_ros.graph import deployment  # noqa: E402
from mat_ros.hardware.open import check_adapter, open_simulated, own_hardware  # noqa: E402
from support.own_robot import standing_in, write_robot  # noqa: E402
from support.places import ROOT  # noqa: E402
from training import evaluate, film  # noqa: E402
from training.envs import make  # noqa: E402
from training.export import ExportConfig, export_run  # noqa: E402
from training.run.config import TrainConfig  # noqa: E402
from training.train import train  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.sim]
TASK = "twin:Stand_joint"
SMALL = TrainConfig(task=TASK, envs=8, ticks=40, steps=2 * 8 * 40, epochs=2, minibatches=2, width=16,
                    faults="upper_hinge:off", information="truth")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Iterator[Path]:
    """Return the current folder, with the files of the robot."""
    made = write_robot(tmp_path_factory.mktemp("own"))
    with standing_in(made):
        yield made


@pytest.fixture(scope="module")
def bundle(folder) -> Bundle:
    """Train a little with a dead motor whose successors receive the truth, and export the run."""
    train(replace(SMALL, run=folder / "run"))
    return export_run(ExportConfig(folder / "run", folder / "policy", ticks=20))


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, whose current folder has the robot."""
    found = subprocess.run([sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, timeout=600,
                           env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"})
    assert found.returncode == 0, found.stderr
    return found


def test_a_task_of_a_user_has_faults_truth_flags_and_randomisation_without_a_line(folder):
    (folder / "light.yaml").write_text("- {what: mass, how: scale, distribution: uniform, range: [0.5, 0.5]}\n")
    environment = make(TASK, 3, faults="upper_hinge:off", information="truth", fault_flag=True,
                       randomisation=str(folder / "light.yaml"))
    obs = environment.reset(0)
    spec = environment.spec
    assert (spec.task, spec.robot, spec.faults, spec.information) == (TASK, "twin", "upper_hinge:off", "truth")
    np.testing.assert_array_equal(environment.share()[:, :, 0], [[1.0, 0.0]] * 3)
    np.testing.assert_array_equal(obs[:, :, 4], [[0.0, 1.0]] * 3)  # behind two positions and two velocities
    assert spec.normalise_mask[0].tolist() == [True] * 4 + [False] * 3
    whole = make(TASK, 3)
    start = whole.reset(0)
    for _ in range(30):
        environment.step(np.ones((3, 2, 1)))
        whole.step(np.ones((3, 2, 1)))
    assert (np.abs(start[:, 0, :2]) <= 0.2).all()
    assert (whole.world.joint_position("upper_hinge") > 0.8).all()
    assert (np.abs(environment.world.joint_position("upper_hinge")) < 0.6).all()


def test_a_snapshot_of_a_broken_robot_goes_on_bit_for_bit(folder):
    one, other = (make(TASK, 3, faults="random_joint_off") for _ in range(2))
    one.reset(1)
    other.reset(2)
    actions = np.random.default_rng(0).uniform(-1, 1, (60, 3, 2, 1))
    for action in actions[:30]:
        one.step(action)
    other.restore(one.snapshot())
    for action in actions[30:]:
        for mine, theirs in zip(one.step(action)[:4], other.step(action)[:4], strict=True):
            assert mine.tobytes() == theirs.tobytes()


def test_the_bundle_states_the_information_the_faults_and_the_code_of_its_training(bundle):
    manifest = yaml.safe_load((bundle.folder / "manifest.yaml").read_text(encoding="utf-8"))
    assert (manifest["chain_information"], manifest["faults"]) == ("truth", "upper_hinge:off")
    assert (manifest["world"], manifest["task"], manifest["robot"]) == ("twin:TwinWorld", TASK, "twin")
    assert {of: source["object"] for of, source in manifest["sources"].items()} == {
        "world": "twin:TwinWorld", "task": "twin:Stand"}
    assert all(source["version"].startswith("sha256:") for source in manifest["sources"].values())
    assert bundle.manifest.from_dict(manifest) == bundle.manifest


def test_the_simulated_robot_is_the_one_of_the_training(bundle):
    chain = Chain(bundle.folder)
    with Robot.simulated(chain, seed=5) as robot:
        steps = list(chain.run(robot, ticks=40))
        result = robot.hardware.result()
    environment = make(TASK, 1)
    environment.reset(5)
    np.testing.assert_array_equal(steps[0].signals, environment.signals()[0])
    assert result.ticks == 40 and result.total < 0.0 and robot.hardware.ended is not None


def test_an_evaluation_has_a_row_for_each_broken_joint_of_run_and_bundle(bundle, folder, monkeypatch, capsys):
    for subject in ("run", "policy"):
        monkeypatch.setattr(sys, "argv", ["evaluate", subject, "--episodes", "2", "--modes", "deterministic", "--json",
                                          "--faults", "none", "each:off"])
        assert evaluate.main() == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [row["fault"] for row in rows] == ["none", "lower_hinge:off", "upper_hinge:off"]
        assert all(row["success"] is not None for row in rows)


def test_a_bundle_is_evaluated_as_it_observes_with_the_flags_of_broken_joints(folder, capsys, monkeypatch):
    train(replace(SMALL, run=folder / "flagged", fault_flag=True))
    flagged = export_run(ExportConfig(folder / "flagged", folder / "flagged_policy", ticks=20))
    assert [term.name for term in flagged.manifest.layout.terms][-1] == "joint_broken"
    capsys.readouterr()  # the lines of the training
    found = []
    for subject in ("flagged", "flagged_policy"):
        monkeypatch.setattr(sys, "argv", ["evaluate", subject, "--episodes", "2", "--modes", "deterministic", "--json",
                                          "--faults", "lower_hinge:off"])
        assert evaluate.main() == 0
        found.append(json.loads(capsys.readouterr().out)["return_mean"])
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_the_launch_plans_the_simulation_and_hardware_of_the_user(bundle, folder):
    planned = deployment.plan("robot", {"policy": str(bundle.folder), "faults": str(plan_file(folder))})
    deployment.check_start(planned)
    deployment.check_start(deployment.plan("robot", {"policy": str(bundle.folder), "robot": str(folder / "twin.yaml"),
                                                     "sim": "none", "hardware": "twin:Adapter"}))
    with pytest.raises(Refused, match="hardware twin:Missing: expected an importable module:Class"):
        check_adapter("twin:Missing")


def plan_file(folder: Path) -> Path:
    """Write a plan that breaks a joint of the robot."""
    (folder / "plan.yaml").write_text("seed: 0\nfaults:\n  - {actuator: off, target: lower_hinge, start_s: 0.2}\n"
                                      .replace("off", '"off"'), encoding="utf-8")
    return folder / "plan.yaml"


def test_a_bundle_whose_world_is_not_installed_runs_on_hardware_and_only_its_simulation_is_refused(bundle, tmp_path,
                                                                                                    monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry and "own" not in Path(entry).name])
    monkeypatch.delitem(sys.modules, "twin", raising=False)
    loaded = Bundle.load(bundle.folder)
    with contextlib.redirect_stdout(None):
        assert cli.main(["check", str(bundle.folder)]) == 0
    chain = Chain(loaded.folder)
    hardware = own_hardware("fake", loaded.manifest)
    with Robot(hardware, lockstep=True) as robot:
        assert len(list(chain.run(robot, ticks=3))) == 3
    for simulate in (lambda: open_simulated(loaded.manifest, "", 0), lambda: Robot.simulated(chain)):
        with pytest.raises(Refused, match=f"task {TASK}: expected an importable .*No module named .twin"):
            simulate()
    assert "twin" not in sys.modules


def test_the_commands_run_in_the_folder_of_the_robot(bundle, folder):
    assert "lower_hinge" in command(folder, "mat_ros.cli", "faults", "list", "--policy", "./policy").stdout
    command(folder, "mat_ros.cli", "check", "./policy", "--robot", "twin.yaml")
    command(folder, "mat_ros.cli", "bench", "faults", "--policy", "./policy", "--episodes", "2", "--only",
            "actuator:off:*", "--out", "report")
    assert (folder / "report" / "report.html").is_file()
    assert "upper_hinge" in (folder / "report" / "policy" / "episodes.csv").read_text(encoding="utf-8")


@pytest.mark.ros
def test_a_graph_simulates_the_robot_of_the_user_in_lock_step_and_breaks_its_joint(bundle, folder):
    found = subprocess.run([sys.executable, "-m", "mat_ros.cli", "launch", "robot", "policy:=./policy", "sim:=lockstep",
                            "episodes:=1", f"faults:={plan_file(folder)}"], cwd=folder, capture_output=True, text=True,
                           timeout=300, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert found.returncode == 0, found.stdout + found.stderr
    assert "episode 0: return -" in found.stdout and "actuator:off of lower_hinge from tick 10" in found.stdout


def test_a_film_needs_no_camera_of_the_scene(bundle, folder):
    from mat_ros.core.errors import Missing

    try:
        assert film.film(film.FilmConfig(folder / "run", folder / "strip.png", ticks=(0, 10))) == [0, 10]
    except Missing as error:
        pytest.skip(str(error))
    assert (folder / "strip.png").stat().st_size > 1000
