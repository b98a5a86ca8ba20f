# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The folder of a new robot works at once: its own tests pass, and its names fit ROS, Python and YAML."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import yaml

from mat_ros.cli import main as cli
from mat_ros.core.errors import Refused
from mat_ros.core.robot.description import RobotDescription
from mat_ros.core.tick.wiring import _node_names
from mat_ros.newrobot.folder import new_robot
from mat_ros.newrobot.robot_file import node_name
from support.places import ROOT
from support.robot_files import ARM, SERVOS, arm, gymnasium_robots, other_robots, urdf_arm, world_of

pytestmark = pytest.mark.sim
PATIENCE_S = 600  # bounds a hang on a machine that is busy


def own_tests(folder):
    """Run the tests in all folders below one, and return pytest's output."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:launch_ros", "-p",
                           "no:launch_testing", str(folder)], cwd=folder, env=environment, capture_output=True,
                          text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


def test_the_own_tests_of_twelve_robots_of_gymnasium_pass(tmp_path):
    for name, path in gymnasium_robots().items():
        new_robot(path, into=tmp_path / name)
    assert "96 passed" in own_tests(tmp_path)


@pytest.mark.slow
def test_the_own_tests_of_robots_of_other_packages_pass(tmp_path):
    present = {name: path for name, path in other_robots().items() if path is not None}
    for name in sorted(set(other_robots()) - set(present)):
        print(f"not installed: {name}")
    if not present:
        pytest.skip("none of the packages with other robots is installed")
    for k, path in enumerate(present.values()):
        new_robot(path, name=f"robot_{k}", into=tmp_path / f"robot_{k}")
    assert f"{8 * len(present)} passed" in own_tests(tmp_path)


def test_the_command_prints_what_it_wrote_as_json(tmp_path, capsys):
    assert cli.main(["new-robot", str(arm(tmp_path)), "--into", str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["folder"] == str(tmp_path / "out") and found["robot"] == str(tmp_path / "out" / "crane.yaml")
    assert (found["world"], found["task"], found["kind"]) == ("crane_world:Crane", "crane_task:Reach_joint", "arm")
    assert found["joints"] == ["slew", "luff", "dip"]
    assert any(guess.startswith("rate of slew") for guess in found["guessed"])
    assert cli.main(["check", found["robot"]]) == 0


def test_the_command_says_what_it_guessed_and_which_commands_come_next(tmp_path, capsys):
    assert cli.main(["new-robot", str(urdf_arm(tmp_path)), "--into", str(tmp_path / "out"), "--split", "limb"]) == 0
    said = capsys.readouterr().out
    assert "URDF, angles in radians" in said
    assert "guessed: stiffness of slew, luff: full effort at 10% of the range" in said
    assert "python -m training.train --preset train.yaml" in said
    assert "task: digger_task:Reach_limb" in (tmp_path / "out" / "train.yaml").read_text()


def test_every_guess_stands_beside_its_value_in_the_robot_file(tmp_path):
    new_robot(urdf_arm(tmp_path), into=tmp_path / "out")
    text = (tmp_path / "out" / "digger.yaml").read_text().partition("splits:")[0]
    rows = {line.split(":")[0].strip(): line for line in text.splitlines()}
    assert rows["slew"].endswith("# guess: stiffness")
    assert rows["luff"].endswith("# guess: rate, stiffness")
    assert rows["spin"].endswith("# guess: effort, lower, upper, rate")
    assert "# guess" in rows["rate_hz"]


def test_a_folder_with_files_is_left_as_it_is(tmp_path):
    with pytest.raises(Refused, match="expected a new or an empty one, got files in it"):
        new_robot(arm(tmp_path), into=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["crane.xml"]


@pytest.mark.parametrize("name", ["Left", "2dof", "left-arm", "class", "a b", "../a"])
def test_a_name_that_is_no_module_is_refused(tmp_path, name):
    with pytest.raises(Refused, match="expected small letters, digits and _"):
        new_robot(arm(tmp_path), name=name, into=tmp_path / "out")


@pytest.mark.parametrize(("file", "name"), [
    ("Left Arm (v2).xml", "left_arm_v2"), ("7dof.xml", "robot_7dof"), ("class.xml", "robot_class"),
    ("---.xml", "robot")])
def test_the_name_of_a_file_becomes_a_module(tmp_path, file, name):
    assert new_robot(arm(tmp_path, name=file), into=tmp_path / "out").robot.name == f"{name}.yaml"


def test_joints_whose_nodes_would_have_one_name_get_agents_with_different_names(tmp_path):
    text = ARM.format(rest=SERVOS)
    for old, new in (("slew", "j/3"), ("luff", "J:3"), ("dip", "\u5173\u8282 3")):
        text = text.replace(f'"{old}"', f'"{new}"')
    (tmp_path / "odd.xml").write_text(text, encoding="utf-8")
    written = new_robot(tmp_path / "odd.xml", into=tmp_path / "out")
    robot = RobotDescription.load(written.robot)
    assert written.joints == ("j/3", "J:3", "\u5173\u8282 3")
    agents = [agent.name for agent in robot.agents("joint")]
    assert len(set(_node_names(agents))) == 3
    assert all(name.isascii() for name in _node_names(agents))
    assert "8 passed" in own_tests(tmp_path / "out")


@pytest.mark.parametrize("agent", ["robot0:FFJ3", "j3", "J3", "left arm"])
def test_names_of_nodes_are_those_of_the_graph(agent):
    assert f"chain_{node_name(agent)}" == _node_names([agent])[0]


def test_the_robot_file_reads_back_with_all_joints_in_the_split_by_limb(tmp_path):
    written = new_robot(gymnasium_robots()["humanoid"], into=tmp_path / "out")
    data = yaml.safe_load(written.robot.read_text())
    assert sorted(joint for joints in data["splits"]["limb"].values() for joint in joints) == sorted(written.joints)
    assert data["hardware"]["ros2_control"]["joints"]["left_knee"] == {"of": "left_knee"}


def test_a_world_draws_targets_that_the_tip_can_reach_and_keeps_to_the_rates(tmp_path):
    new_robot(urdf_arm(tmp_path), into=tmp_path / "out")
    world = world_of(tmp_path / "out", 8)
    world.reset(seed=3)
    far = np.linalg.norm(world.signal("target_position") - [0.0, 0.0, 0.4], axis=1)
    assert far == pytest.approx(np.full(8, 0.5), abs=1e-6)  # m, from the shoulder: the length of the boom and the tool
    before = world.signal("joint_position")
    world.step(np.tile(world.command_upper, (8, 1)))
    asked = np.array(world._ctrl)
    assert asked[:, 0] == pytest.approx(before[:, 0] + 1.5 * world.control_period_ns * 1e-9)


def test_equal_seeds_give_equal_bits_in_batches_of_any_size(tmp_path):
    new_robot(arm(tmp_path), into=tmp_path / "out")
    few, many = world_of(tmp_path / "out", 2), world_of(tmp_path / "out", 5)
    for world in (few, many):
        world.reset(seed=7)
        for _ in range(20):
            world.step(np.full((world.count, 3), 0.5))
    assert (few.measure() == many.measure()[:2]).all()
