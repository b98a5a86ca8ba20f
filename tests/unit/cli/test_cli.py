# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros shows its commands by audience, opens fast, and refuses in one sentence."""

import errno
import importlib.machinery
import importlib.util
import json
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest
import yaml

import mat_ros
from mat_ros.cli import check, faults, launch, table
from mat_ros.cli import main as cli
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from support.places import BUNDLES


@pytest.fixture
def offer(monkeypatch):
    """Offer one command `try`, which does what the test says."""

    def register(function, extra=""):
        module = types.ModuleType("a_command")
        module.main, module.__spec__ = function, importlib.machinery.ModuleSpec("a_command", None)
        monkeypatch.setitem(sys.modules, "a_command", module)
        command = table.Command("try", "does what the test says", extra, own="a_command")
        audiences = (table.Audience("somebody", (command,)),)
        monkeypatch.setattr(table, "AUDIENCES", audiences)
        monkeypatch.setattr(cli, "AUDIENCES", audiences)

    return register


def the_one_sentence(capsys) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_help_shows_the_three_audiences_and_only_commands_that_exist(capsys):
    assert cli.main([]) == 0
    text = capsys.readouterr().out
    assert all(f"\n{audience}: " in text for audience in ("operate", "train", "integrate"))
    listed = {line.split()[0] for line in text.split("\n") if line.startswith("  ")}
    registered = {command.name for audience in table.AUDIENCES for command in audience.commands}
    assert listed & registered == set(table.commands())


def test_every_listed_command_is_a_module_with_a_main():
    for command in table.commands().values():
        # Its imports may be missing here, so the file is read instead of run.
        source = importlib.util.find_spec(command.module).loader.get_source(command.module)
        assert re.search(r"^def main\(|^from \S+ import main\b", source, re.MULTILINE)


def test_the_version_is_printed_alone(capsys):
    assert cli.main(["version"]) == 0
    assert capsys.readouterr().out == mat_ros.__version__ + "\n"


def test_an_unknown_command_is_one_sentence_with_the_nearest_name(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["doktor"])
    assert "did you mean 'doctor'?" in the_one_sentence(capsys)


def test_arguments_after_the_name_are_the_commands_own(offer):
    given = []
    offer(lambda arguments: given.extend(arguments))
    assert cli.main(["try", "--seed", "3", "-h"]) == 0
    assert given == ["--seed", "3", "-h"]


def test_a_commands_status_is_the_programs(offer):
    offer(lambda arguments: 5)
    assert cli.main(["try"]) == 5


def test_a_missing_extra_is_one_sentence_with_the_command_that_installs_it(offer, capsys):
    def needs_a_simulator(arguments):
        import none_such_simulator  # noqa: F401

    offer(needs_a_simulator, extra="sim")
    assert cli.main(["try"]) == 2
    sentence = the_one_sentence(capsys)
    assert "'none_such_simulator' is missing; run" in sentence
    assert "[sim]" in sentence


def test_an_unreadable_file_is_one_sentence_with_its_name(offer, capsys, tmp_path):
    offer(lambda arguments: (tmp_path / "none.yaml").read_text())
    assert cli.main(["try"]) == 2
    assert f"{tmp_path / 'none.yaml'}: No such file or directory" in the_one_sentence(capsys)


def test_a_refusal_of_the_core_is_printed_as_it_stands(offer, capsys):
    def refuse(arguments):
        raise Refused("hand.yaml: unit", "rad", "deg", "convert the limits")

    offer(refuse)
    assert cli.main(["try"]) == 2
    assert the_one_sentence(capsys) == "mat-ros try: hand.yaml: unit: expected rad, got deg; convert the limits\n"


def test_a_mistake_of_ours_keeps_its_traceback(offer):
    offer(lambda arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["try"])


def test_help_needs_no_package_beyond_python_itself():
    blocked = ("numpy", "yaml", "rich", "rclpy", "torch", "mujoco", "onnxruntime")
    code = (f"import sys; sys.modules.update(dict.fromkeys({blocked!r})); "
            "from mat_ros.cli.main import main; main(['--help'])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "doctor" in done.stdout


def test_the_wheels_index_and_middleware_are_named_only_where_the_user_has_not(monkeypatch):
    monkeypatch.setattr(cli.ros_environment, "ros_comes_from_wheels", lambda: True)
    environment = {"RMW_IMPLEMENTATION": "rmw_mine"}
    cli.ros_environment.set_defaults(environment)
    assert environment == {"RMW_IMPLEMENTATION": "rmw_mine", "AMENT_PREFIX_PATH": sys.prefix}


def test_a_sourced_ros_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(cli.ros_environment, "ros_comes_from_wheels", lambda: False)
    environment: dict[str, str] = {}
    cli.ros_environment.set_defaults(environment)
    assert environment == {}


def test_a_private_graph_of_the_wheels_speaks_udp_on_the_loopback_alone(monkeypatch):
    monkeypatch.setattr(cli.ros_environment, "ros_comes_from_wheels", lambda: True)
    environment: dict[str, str] = {}
    cli.ros_environment.keep_to_loopback(environment)
    profile = Path(environment["FASTDDS_DEFAULT_PROFILES_FILE"]).read_text()
    assert "<type>UDPv4</type>" in profile
    assert "<interfaceWhiteList><address>127.0.0.1</address></interfaceWhiteList>" in profile


@pytest.mark.parametrize(("wheels", "rmw"), [(True, "rmw_cyclonedds_cpp"), (False, "rmw_fastrtps_cpp")])
def test_a_middleware_that_may_not_read_our_profile_never_talks_to_the_network(monkeypatch, wheels, rmw):
    monkeypatch.setattr(cli.ros_environment, "ros_comes_from_wheels", lambda: wheels)
    environment = {"RMW_IMPLEMENTATION": rmw}
    cli.ros_environment.keep_to_loopback(environment)
    assert environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"


def test_the_list_of_what_can_break_is_short_enough_to_read_and_whole_with_json(capsys):
    assert faults.main(["list", "--policy", "dexhands_door_mat", "--json"]) == 0
    targets = json.loads(capsys.readouterr().out)["targets"]
    assert faults.main(["list", "--policy", "dexhands_door_mat"]) == 0
    *_, actuators, sensors, messages, nodes = capsys.readouterr().out.split("\n\n")
    assert sum(map(len, (targets["sensor"], targets["message"]))) > 400
    assert sensors.startswith(f"sensors: {len(targets['sensor'])}, all with --json\n")
    assert "joint_position/robot0:WRJ1, " in sensors and len(sensors.splitlines()) < 50
    assert "encoder->chain_robot0_palm, " in messages
    assert all(name in actuators for name in targets["actuator"]) and all(name in nodes for name in targets["node"])
    assert max(map(len, [*sensors.splitlines(), *messages.splitlines()])) <= 120


def test_a_robot_of_another_name_that_fits_is_noted_and_no_more(tmp_path, capsys):
    folder = BUNDLES / "rwkv4"
    manifest = Bundle.load(folder).manifest
    file = tmp_path / "robot.yaml"
    rows = {j.name: {"quantity": j.quantity, "unit": j.unit, "lower": j.lower, "upper": j.upper, "rate": j.rate,
                     "effort": j.effort, "scale": j.scale, "offset": j.offset, "default": j.default,
                     "fallback": str(j.fallback)} for j in manifest.joints}
    robot = {"name": "other_arm", "rate_hz": 1e9 / manifest.period_ns, "joints": rows}
    file.write_text(yaml.safe_dump(robot, sort_keys=False))
    assert check.main([str(folder), "--robot", str(file), "--backend", "native"]) == 0
    assert "note  the policy was trained on test_arm, this robot is called other_arm" in capsys.readouterr().out


@pytest.mark.parametrize(("file", "said"), [("/data/run.csv", "cannot write /data/run.csv"),
                                            (None, "cannot write the output")])
def test_a_full_disk_is_one_sentence_with_the_file_and_no_misuse(offer, capsys, file, said):
    def write(arguments):
        raise OSError(errno.ENOSPC, "No space left on device", file)

    offer(write)
    assert cli.main(["try"]) == 1
    assert the_one_sentence(capsys) == (f"mat-ros try: {said}: No space left on device; free space on the disk, then "
                                        "run the command again\n")


def test_output_that_a_full_disk_does_not_take_is_one_sentence(tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "mat_ros.cli", "version"], stdout=full, stderr=subprocess.PIPE,
                              text=True)
    assert done.returncode == 1
    assert done.stderr == ("mat-ros version: cannot write the output: No space left on device; free space on the disk, "
                           "then run the command again\n")


def test_the_variables_of_a_graph_without_a_policy_are_those_of_its_network_in_any_order_of_words(capsys):
    assert launch.main(["robot", "--env"]) == 0
    plain = capsys.readouterr().out
    assert "export ROS_AUTOMATIC_DISCOVERY_RANGE=" in plain
    assert launch.main(["robot", "--env", "policy:=halfcheetah_mat"]) == 0
    assert capsys.readouterr().out == plain
    assert launch.main(["--env", "robot", "network:=open"]) == 0
    assert "ROS_AUTOMATIC_DISCOVERY_RANGE=SUBNET" in capsys.readouterr().out


def test_a_dry_run_refuses_what_the_start_would_refuse():
    with pytest.raises(Refused, match="fault plan: expected a file, .*, got /none.yaml"):
        launch.main(["mamujoco", "--dry-run", "faults:=/none.yaml"])


def test_a_file_that_is_no_bundle_is_refused_as_a_file(tmp_path, monkeypatch, capsys):
    (tmp_path / "mlp.onnx").write_bytes(b"\x08\x07")
    monkeypatch.chdir(tmp_path)
    for name in ("mlp.onnx", str(tmp_path / "mlp.onnx")):
        with pytest.raises(Refused, match="policy: expected a bundle: a folder with manifest.yaml, got the file"):
            launch.main(["robot", f"policy:={name}"])
        assert check.main([name]) == 1
        assert "expected a robot file, or a policy bundle: a folder with manifest.yaml" in capsys.readouterr().out


def test_words_in_brackets_are_printed_as_they_stand(tmp_path, capsys):
    text = (BUNDLES / "robot.yaml").read_text().replace("name: test_arm", "name: '[/x] arm'")
    (tmp_path / "robot.yaml").write_text(text)
    assert check.main([str(tmp_path / "robot.yaml")]) == 0
    assert "[/x] arm" in capsys.readouterr().out
