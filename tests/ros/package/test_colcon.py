# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""colcon takes the tree as it is: builds it, messages included, tests it, and what it installs stands on its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mat_ros
from mat_ros.core import named
from support.made_up_run import outside
from support.places import ROOT

pytest.importorskip("colcon_core", reason="needs the colcon extra")
pytest.importorskip("rclpy", reason="needs the ros extra")

pytestmark = [pytest.mark.ros, pytest.mark.slow]

NOT_SOURCES = (".git", ".venv*", "build", "install", "log", "__pycache__", "*.so", ".*_cache", ".hypothesis", "runs")
EXECUTABLES = [name for name in (ROOT / "scripts" / "executables.txt").read_text().split() if name.isidentifier()]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    workspace = tmp_path_factory.mktemp("colcon")
    shutil.copytree(ROOT, workspace / "src" / "mat_ros", ignore=shutil.ignore_patterns(*NOT_SOURCES))
    for generated in ("msg", "srv"):  # by an editable install
        shutil.rmtree(workspace / "src" / "mat_ros" / "mat_ros" / generated, ignore_errors=True)
    return workspace


def run(workspace: Path, script: str) -> str:
    """Run a shell script where the venv plays the part of /opt/ros."""
    environment = outside() | {
        "VIRTUAL_ENV": sys.prefix,  # CMake looks for its Python here first
        "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}",
        "AMENT_PREFIX_PATH": sys.prefix,
        "CMAKE_PREFIX_PATH": sys.prefix,
    }
    done = subprocess.run(["bash", "-ec", script], cwd=workspace, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{script}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    return done.stdout


@pytest.fixture(scope="module", params=["", "--symlink-install"], ids=["copied", "symlinked"])
def built(request, workspace) -> Path:
    # What was compiled stays for the second way; a copy cannot become a link.
    for folder in ("install", "build/mat_ros/ament_cmake_python"):
        shutil.rmtree(workspace / folder, ignore_errors=True)
    run(workspace, f"colcon build {request.param} --cmake-args -GNinja -DBUILD_TESTING=ON")
    return workspace


def test_the_root_is_one_ament_package(workspace):
    assert run(workspace, "colcon list").split() == ["mat_ros", "src/mat_ros", "(ros.ament_cmake)"]


def test_messages_and_modules_come_from_the_install_space(built):
    code = "import mat_ros.msg, mat_ros.core; print(mat_ros.msg.__file__, mat_ros.core.__file__)"
    files = run(built, f". install/setup.bash; cd /; python3 -c '{code}'").split()
    assert [Path(file).is_relative_to(built / "install") for file in files] == [True, True]


def test_messages_built_by_cmake_can_be_serialised(built):
    code = "import rclpy.serialization as s; from mat_ros.msg import Baton; print(len(s.serialize_message(Baton())))"
    assert int(run(built, f". install/setup.bash; cd /; python3 -c '{code}'")) > 0


def test_what_cmake_compiles_runs_the_tick_of_nodes(built):
    code = "from mat_ros.nodes import loop; print(loop.LIBRARY, repr(loop.lacking()))"
    library, lacking = run(built, f". install/setup.bash; cd /; python3 -c '{code}'").split()
    assert (Path(library).is_relative_to(built / "install"), lacking) == (True, "''")


def test_shipped_files_are_found_from_another_folder(built):
    code = "from mat_ros.core import shipped; print(*shipped.config_names(\"robots\")); print(*shipped.share_folders())"
    robots, shares = run(built, f". install/setup.bash; cd /; python3 -c '{code}'").split("\n")[:2]
    assert robots.split() == sorted(path.stem for path in (ROOT / "mat_ros/config/robots").glob("*.yaml"))
    assert str(built / "install/mat_ros/share/mat_ros") in shares.split()


def test_what_is_registered_with_pip_is_registered_in_the_install_space(built):
    code = ("from importlib.metadata import distribution; d = distribution(\"mat_ros_training\"); "
            "print(d.version, d.locate_file(\"\"), *(f\"{e.group}:{e.name}={e.value}\" for e in d.entry_points))")
    version, folder, *entries = run(built, f". install/setup.bash; cd /; python3 -c '{code}'").split()
    assert (version, Path(folder).is_relative_to(built / "install")) == (mat_ros.__version__, True)
    registered = [f"{entry.group}:{entry.name}={entry.value}" for entry in named.own_entries()]
    assert sorted(entries) == sorted(registered) != []


def test_exactly_the_nodes_that_exist_are_installed_as_executables(built):
    expected = sorted(name for name in EXECUTABLES if (ROOT / "mat_ros/nodes" / f"{name}.py").exists())
    folder = built / "install/mat_ros/lib/mat_ros"
    installed = sorted(path.name for path in folder.glob("*")) if folder.exists() else []
    assert installed == expected != []
    assert all(os.access(folder / name, os.X_OK) for name in installed)


def test_colcon_test_runs_our_tests_against_the_install_space(built):
    run(built, "colcon test --ctest-args -R shipped --return-code-on-test-failure")
    result = run(built, "colcon test-result --all")
    assert " 0 errors, 0 failures" in result
    assert "Summary: 0 tests" not in result
