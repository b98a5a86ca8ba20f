# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Launch arguments: declared once, listed by help, refused in one sentence before anything starts."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mat_ros.backends import choose
from mat_ros.cli import launch as command
from mat_ros.core import shipped
from mat_ros.core.errors import Missing, Refused
from mat_ros.core.options import options
from mat_ros.graph import deployment, ros_environment
from mat_ros.graph.build import environment
from mat_ros.graph.settings import LaunchSettings


@pytest.mark.parametrize("name", deployment.DEPLOYMENTS)
def test_help_lists_every_argument_with_its_description_and_default(name: str, capsys):
    assert command.main([name, "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for option in options(LaunchSettings):
        assert f"{option.name}:=" in text
        assert option.description in text
    assert deployment.DEPLOYMENTS[name].policy in text


def test_an_unknown_argument_is_refused_with_the_nearest_known_one():
    with pytest.raises(Refused, match=r"argument of dexhands: expected one of .*, got polcy; did you mean policy\?"):
        deployment.parse(["polcy:=x"], "dexhands")


def test_an_argument_without_a_value_or_given_twice_is_refused():
    with pytest.raises(Refused, match="expected name:=value, got wiring=central"):
        deployment.parse(["wiring=central"], "dexhands")
    with pytest.raises(Refused, match="expected one value, got 1 and 2; give the argument once"):
        deployment.parse(["seed:=1", "seed:=2"], "dexhands")


def test_a_value_may_hold_the_sign_itself():
    assert deployment.parse(["policy:=a:=b"], "dexhands") == {"policy": "a:=b"}


def test_a_value_out_of_range_is_refused_with_the_range():
    with pytest.raises(Refused, match=r"option deadline: expected a number in \[0.05, 1\], got '7'"):
        deployment.plan("dexhands", {"deadline": "7"})


def test_an_unknown_deployment_is_refused_with_the_known_ones():
    with pytest.raises(Refused, match="expected one of dexhands, mamujoco, robot, got hands"):
        command.main(["hands"])


def test_a_robot_that_no_launch_file_names_needs_a_policy():
    with pytest.raises(Refused, match="policy of robot: expected a bundle, got none"):
        deployment.plan("robot", {})


def test_security_that_was_asked_for_and_is_missing_refuses_the_start(monkeypatch, tmp_path: Path):
    asked = {"ROS_SECURITY_ENABLE": "true"}
    monkeypatch.setattr(ros_environment, "ros_comes_from_wheels", lambda: True)
    with pytest.raises(Missing, match="DDS security.*apt ROS 2 with a keystore"):
        deployment.check_security(asked)
    monkeypatch.setattr(ros_environment, "ros_comes_from_wheels", lambda: False)
    with pytest.raises(Missing, match="keystore.*create_keystore"):
        deployment.check_security(asked)
    deployment.check_security({**asked, "ROS_SECURITY_KEYSTORE": str(tmp_path)})
    deployment.check_security({"ROS_SECURITY_ENABLE": "false"})


def test_the_graph_keeps_to_this_machine_unless_opened_in_so_many_words(monkeypatch):
    monkeypatch.delenv("RMW_IMPLEMENTATION", raising=False)
    monkeypatch.setattr(ros_environment, "ros_comes_from_wheels", lambda: True)
    closed = environment(LaunchSettings().network)
    assert closed["FASTDDS_DEFAULT_PROFILES_FILE"] == str(ros_environment.LOOPBACK_PROFILE)
    assert "<address>127.0.0.1</address>" in ros_environment.LOOPBACK_PROFILE.read_text()
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", str(ros_environment.LOOPBACK_PROFILE))
    assert environment("open")["FASTDDS_DEFAULT_PROFILES_FILE"] == str(ros_environment.OPEN_PROFILE)
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", "/my/own.xml")
    assert "FASTDDS_DEFAULT_PROFILES_FILE" not in environment("open")
    assert "127.0.0.1" not in ros_environment.OPEN_PROFILE.read_text()
    monkeypatch.setattr(ros_environment, "ros_comes_from_wheels", lambda: False)
    assert environment("loopback")["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert environment("open")["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SUBNET"
    assert "FASTDDS_DEFAULT_PROFILES_FILE" not in environment("open")
    with pytest.raises(Refused, match="expected one of loopback, open, got world"):
        environment("world")


@pytest.mark.parametrize("profile", [ros_environment.LOOPBACK_PROFILE, ros_environment.OPEN_PROFILE])
def test_no_profile_shares_memory_in_files_that_a_killed_process_would_leave(profile: Path):
    shared = {"data_writer": [], "data_reader": []}
    transports = []
    for element in ElementTree.parse(profile).iter():
        name = element.tag.rpartition("}")[2]
        if name in shared and element.get("is_default_profile") == "true":
            shared[name] += [kind.text for kind in element.iterfind(".//{*}data_sharing/{*}kind")]
        elif name in ("type", "useBuiltinTransports"):
            transports.append(element.text)
    assert shared == {"data_writer": ["OFF"], "data_reader": ["OFF"]}
    assert transports == ["UDPv4", "false"]


def test_a_robot_file_that_is_not_the_policys_is_refused_before_any_node(tmp_path: Path):
    (tmp_path / "other.yaml").write_text("name: other\nrate_hz: 20\njoints: {wheel: {quantity: position, unit: rad, "
                                         "lower: -1, upper: 1, rate: 1, effort: 1, scale: 1, offset: 0, "
                                         "default: 0, fallback: hold}}\n", encoding="utf-8")
    with pytest.raises(Refused, match=r"robot other: expected a joint named \w+, got \['wheel'\]"):
        deployment.plan("robot", {"policy": "halfcheetah_mat", "robot": str(tmp_path / "other.yaml")})


def test_an_absent_adapter_and_a_place_that_cannot_be_recorded_into_are_refused_before_any_node(tmp_path: Path):
    planned = deployment.plan("robot", {"policy": "halfcheetah_mat", "sim": "none", "hardware": "nowhere:Arm"})
    with pytest.raises(Refused, match="hardware nowhere:Arm: expected an importable module:Class"):
        deployment.check_start(planned)
    elsewhere = {"policy": "halfcheetah_mat", "sim": "none", "hardware": "nowhere:Arm", "nodes": "chain_*"}
    deployment.check_start(deployment.plan("robot", elsewhere))  # the robot is at another host
    with pytest.raises(IsADirectoryError):
        deployment.check_start(deployment.plan("mamujoco", {"record": str(tmp_path)}))
    deployment.check_start(deployment.plan("mamujoco", {"record": str(tmp_path / "new" / "run.mcap")}))
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "kept.mcap").write_bytes(b"evidence")
    with pytest.raises(Refused, match=r"kept.mcap: expected a new file, got an existing file of 0.0 MB; give another"):
        deployment.check_start(deployment.plan("mamujoco", {"record": str(tmp_path / "kept.mcap")}))


def test_a_simulated_robot_without_its_simulator_is_refused_before_any_node(monkeypatch):
    planned = deployment.plan("mamujoco", {})
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *of: None if name == "mujoco" else find(name, *of))
    with pytest.raises(Missing, match="the Python package 'mujoco', which simulates the robot, is missing; run .*pip"):
        deployment.check_start(planned)
    deployment.check_start(deployment.plan("mamujoco", {"nodes": "chain_*"}))  # it is simulated on another host


def test_a_robot_of_another_rate_than_the_policy_is_refused_unless_a_rate_is_asked_for(tmp_path: Path):
    shipped_file = shipped.config_file("robots", "halfcheetah")
    file = tmp_path / "halfcheetah.yaml"
    file.write_text(re.sub("rate_hz: .*", "rate_hz: 60", shipped_file.read_text(encoding="utf-8")), encoding="utf-8")
    real = {"policy": "halfcheetah_mat", "robot": str(file), "sim": "none", "hardware": "fake"}
    with pytest.raises(Refused, match="rate_hz: expected 20, the policy's own, got 60; correct the file, train at"):
        deployment.plan("robot", real)
    assert deployment.plan("robot", {**real, "rate": "60"}).graph


@pytest.mark.parametrize(("kind", "sim", "said"), [
    ("offf", "lockstep", "line .*: expected one of .*'off'.*, got offf"),
    ("off", "none", r"expected only faults of messages and nodes, because the robot is real, got \['actuator'\]"),
])
def test_a_fault_plan_that_cannot_be_carried_out_is_refused_before_any_node(kind: str, sim: str, said: str,
                                                                           tmp_path: Path):
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"seed: 0\nfaults:\n  - {{actuator: {kind}, target: bfoot, start_s: 1.0}}\n", encoding="utf-8")
    arguments = {"policy": "halfcheetah_mat", "sim": sim, "faults": str(plan)}
    planned = deployment.plan("robot", {**arguments, "hardware": "fake"} if sim == "none" else arguments)
    with pytest.raises(Refused, match=said):
        deployment.check_start(planned)


def test_an_adapter_beside_a_simulation_is_refused_rather_than_ignored():
    with pytest.raises(Refused, match="hardware fake: expected sim:=none beside it, got sim:=lockstep; add sim:=none"):
        deployment.plan("robot", {"policy": "halfcheetah_mat", "hardware": "fake"})


@pytest.mark.parametrize(("backend", "said"), [
    ("onnxruntime", r"the onnxruntime backend is missing; run .*\[onnx\].*; or leave backend out"),
    ("auto", r"a backend is missing; run .*\[onnx\]")])
def test_a_backend_that_is_not_here_is_refused_once_before_any_node(monkeypatch, backend: str, said: str):
    planned = deployment.plan("mamujoco", {"backend": backend})
    monkeypatch.setattr(choose, "installed", lambda: () if backend == "auto" else ("native",))
    with pytest.raises(Missing, match=said):
        deployment.check_start(planned)
    deployment.check_start(deployment.plan("mamujoco", {"backend": backend, "nodes": "sim,safety"}))


REAL = {"policy": "halfcheetah_mat", "sim": "none", "hardware": "ros2_control"}


def test_a_policy_that_needs_a_topic_is_refused_once_before_any_node_with_the_argument_to_add():
    planned = deployment.plan("robot", {**REAL, "policy": "dexhands_door_mat"})
    with pytest.raises(Refused, match=r"none for .*hand_position.*; add .*poses:=hand=/TOPIC.*, or choose a policy"):
        deployment.check_start(planned)


@pytest.mark.parametrize(("argument", "said"), [
    ({"poses": "cup"}, "argument, poses: expected name=topic"),
    ({"sim": "lockstep", "hardware": "", "imu": "/imu"}, "imu:=: expected hardware:= one of .*, got hardware:=none"),
    ({"hardware": "fake", "state_topic": "/x"}, "state_topic:=: expected hardware:= one of ros2_control, trajectory"),
])
def test_a_topic_that_nothing_would_use_or_that_is_none_is_refused(argument, said):
    with pytest.raises(Refused, match=said):
        deployment.plan("robot", {**REAL, **argument})


def test_the_driver_receives_the_topic_of_commands_and_the_observer_all_others():
    topics = {"command_topic": "/c", "state_topic": "/s", "odometry": "/odom", "goal_topic": "/g", "joy": "goal=/joy"}
    nodes = {node.name: node.parameters for node in deployment.plan("robot", {**REAL, **topics}).graph.nodes}
    assert nodes["driver"]["command_topic"] == "/c" and "joy" not in nodes["driver"]
    assert {name: nodes["observer"].get(name) for name in topics} == {**topics, "command_topic": None}
