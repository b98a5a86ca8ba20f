# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""`pip install .` into an empty environment leaves nothing that needs the checkout."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.places import ROOT

pytest.importorskip("rclpy", reason="needs the ros extra")

pytestmark = [pytest.mark.ros, pytest.mark.slow]

NOT_SOURCES = (".git", ".venv*", "build", "install", "log", "__pycache__", "*.so", ".*_cache", ".hypothesis", "runs")
# The wheels of this environment must not be loaded by the Python of another.
OF_THIS_ENVIRONMENT = {"_ROS_WHEELS_BOOTSTRAP_COMPLETE", "LD_LIBRARY_PATH", "AMENT_PREFIX_PATH", "PYTHONPATH"}


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if name not in OF_THIS_ENVIRONMENT}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """Make a wheel from a copy of the tree, delete the copy, and install the wheel; return the environment."""
    folder = tmp_path_factory.mktemp("pip")
    shutil.copytree(ROOT, folder / "copy", ignore=shutil.ignore_patterns(*NOT_SOURCES))
    environment = folder / "venv"
    # Without build isolation, since this environment was made from the very list of build requirements.
    wheel_options = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    for_wheel = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *wheel_options, str(folder / "copy")], capture_output=True, text=True
    )
    assert for_wheel.returncode == 0, for_wheel.stderr[-6000:]
    shutil.rmtree(folder / "copy")
    (wheel,) = folder.glob("mat_ros-*.whl")
    for command in (
        [getattr(sys, "_base_executable", sys.executable), "-m", "venv", str(environment)],
        [f"{environment}/bin/python", "-m", "pip", "install", "--quiet", "--no-compile", f"{wheel}[ros]"],
    ):
        done = run(command, folder)
        assert done.returncode == 0, done.stderr[-6000:]
    return environment


def test_the_console_script_runs_from_another_folder(installed, tmp_path):
    assert run([f"{installed}/bin/mat-ros", "version"], tmp_path).returncode == 0


def test_doctor_finds_ros_messages_and_a_working_loopback(installed, tmp_path):
    done = run([f"{installed}/bin/mat-ros", "doctor", "--json"], tmp_path)
    findings = json.loads(done.stdout)["findings"]
    lacking = [finding for finding in findings if finding["essential"] and not finding["found"]]
    assert (done.returncode, lacking) == (0, [])


def test_configurations_launch_files_and_nodes_are_part_of_the_install(installed, tmp_path):
    code = "from mat_ros.core import shipped; print(*shipped.config_names('robots')); print(*shipped.share_folders())"
    robots, shares = run([f"{installed}/bin/python", "-c", code], tmp_path).stdout.split("\n")[:2]
    assert robots.split() == sorted(path.stem for path in (ROOT / "mat_ros/config/robots").glob("*.yaml"))
    share = installed / "share" / "mat_ros"
    assert shares.split() == [str(share)]
    for pattern in ("launch/*.launch.py", "msg/*.msg", "srv/*.srv"):
        assert {path.name for path in share.glob(pattern)} == {path.name for path in ROOT.glob(pattern)}
    table = [name for name in (ROOT / "scripts" / "executables.txt").read_text().split() if name.isidentifier()]
    expected = {name for name in table if (ROOT / "mat_ros/nodes" / f"{name}.py").exists()}
    executables = installed / "lib" / "mat_ros"
    assert {path.name for path in executables.glob("*") if os.access(path, os.X_OK)} == expected
