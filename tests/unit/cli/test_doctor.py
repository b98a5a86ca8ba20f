# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros doctor fails only when no graph can run, and each lack comes with the command that mends it."""

import json

import pytest

from mat_ros.cli import doctor
from mat_ros.cli.doctor import Finding


@pytest.fixture
def diagnose(monkeypatch):
    def set_probes(*findings):
        monkeypatch.setattr(doctor, "PROBES", tuple((lambda finding=finding: finding) for finding in findings))

    return set_probes


def test_a_missing_essential_fails_and_is_named(diagnose, capsys):
    diagnose(Finding("Python", True, "3.11", essential=True), Finding("ROS 2", False, "none", "install it", True))
    assert doctor.main([]) == 1
    out = capsys.readouterr().out
    assert "mend it: install it" in out
    assert "A graph cannot run here: ROS 2." in out


def test_a_missing_extra_is_told_but_does_not_fail(diagnose, capsys):
    diagnose(Finding("torch", False, "no module", "pip install it"))
    assert doctor.main([]) == 0
    out = capsys.readouterr().out
    assert "absent   torch" in out and "optional: pip install it" in out and out.endswith("A graph can run here.\n")


def test_without_a_simulator_only_hardware_can_be_run(diagnose, capsys):
    diagnose(Finding("mujoco", False, "no module", "pip install it"))
    assert doctor.main([]) == 0
    assert capsys.readouterr().out.endswith("A graph can run here with a real robot; a simulated robot needs mujoco.\n")


def test_json_holds_every_finding(diagnose, capsys):
    diagnose(Finding("ROS 2", False, "none", "install it", essential=True), Finding("torch", True, "2"))
    assert doctor.main(["--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert report["findings"][0] == {
        "name": "ROS 2", "found": False, "detail": "none", "remedy": "install it", "essential": True,
    }  # fmt: skip
    assert [finding["name"] for finding in report["findings"]] == ["ROS 2", "torch"]


def test_a_tick_that_is_not_compiled_is_told_in_one_line_with_what_runs_instead(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "PACKAGE_FOLDER", tmp_path)
    finding = doctor.native_tick()
    assert (finding.found, finding.essential) == (False, False)
    assert finding.detail == "not built; nodes run their tick in Python"


def test_a_probe_that_dies_is_a_finding_and_not_a_crash():
    finding = doctor._probe("fragile", "import os; os.abort()", "replace it")
    assert not finding.found
    assert finding.detail.startswith("ended with status")


def test_a_probe_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(doctor, "PROBE_TIMEOUT_S", 0.5)
    assert doctor._probe("silent", "import time; time.sleep(60)", "").detail == "no answer within 0.5 s"


def test_a_probes_last_line_is_the_version_or_the_reason():
    assert doctor._probe("x", "print('loading'); print('1.2')", "").detail == "1.2"
    assert doctor._probe("x", "import mat_ros_none_such", "").detail.startswith("ModuleNotFoundError")


def test_a_middleware_that_the_wheels_lack_is_found_before_it_stops_every_node(monkeypatch):
    monkeypatch.setattr(doctor.ros_environment, "ros_comes_from_wheels", lambda: True)
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_cyclonedds_cpp")
    finding = doctor.ros()
    assert not finding.found
    assert finding.remedy == "unset RMW_IMPLEMENTATION"
