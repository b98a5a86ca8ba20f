# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""One tree is a pip project and a ROS package: both manifests agree, and every file carries its licence."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import mat_ros
from mat_ros.nodes.__main__ import BARE, EXECUTABLES
from support.places import ROOT

CODE_FOLDERS = ("mat_ros", "training", "trt_engines", "cuda", "launch", "scripts", "tests")
CODE_SUFFIXES = {".py", ".cu", ".cpp", ".h", ".hpp", ".cuh", ".sh"}
GENERATED = (ROOT / "mat_ros" / "msg", ROOT / "mat_ros" / "srv")
LICENCE_LINES = ["Copyright 2026 The mat_ros Authors", "SPDX-License-Identifier: Apache-2.0"]


@pytest.fixture(scope="module")
def pyproject() -> dict:
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        from pip._vendor import tomli as tomllib
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def code_files() -> list[Path]:
    files = [path for folder in CODE_FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in CODE_SUFFIXES]
    own = [path for path in files if not any(path.is_relative_to(folder) for folder in GENERATED)]
    return [*own, ROOT / "setup.py"]


def test_pip_and_colcon_install_the_same_version():
    assert ElementTree.parse(ROOT / "package.xml").findtext("version") == mat_ros.__version__


def test_every_ros_package_that_is_imported_is_declared():
    declared = {element.text for element in ElementTree.parse(ROOT / "package.xml").iter("exec_depend")}
    declared |= {element.text for element in ElementTree.parse(ROOT / "package.xml").iter("depend")}
    sources = "".join(path.read_text() for path in (ROOT / "mat_ros").rglob("*.py")
                      if not any(path.is_relative_to(folder) for folder in GENERATED))
    used = set(re.findall(r"(?:from|import|\")\s*(\w+_(?:msgs|interfaces))\b", sources))
    assert {"rcl_interfaces", "diagnostic_msgs"} <= used
    assert used <= declared


def test_messages_are_compiled_with_the_release_of_ros_that_runs_them(pyproject):
    def rclpy_bound(requirements):
        return [requirement for requirement in requirements if requirement.startswith("ros-rclpy")]

    built_with = rclpy_bound(pyproject["build-system"]["requires"])
    assert built_with == rclpy_bound(pyproject["project"]["optional-dependencies"]["ros"]) != []


def test_training_names_one_exact_torch(pyproject):
    torch = [line for line in pyproject["project"]["optional-dependencies"]["train"] if line.startswith("torch")]
    assert re.fullmatch(r"torch==\d+\.\d+\.\d+", torch[0])


def test_every_requirement_of_an_extra_is_bounded(pyproject):
    extras = pyproject["project"]["optional-dependencies"]
    unbounded = [
        requirement
        for requirements in extras.values()
        for requirement in requirements
        if not requirement.startswith("mat_ros[") and not re.match(r"[A-Za-z0-9_.\[\]-]+(==|~=|>=)\d", requirement)
    ]
    assert unbounded == []


def test_every_source_file_starts_with_the_licence():
    def opening(path: Path) -> list[str]:
        lines = [line for line in path.read_text().split("\n")[:3] if not line.startswith("#!")]
        return [line.lstrip("#/* ").rstrip() for line in lines[:2]]

    assert [str(path.relative_to(ROOT)) for path in code_files() if opening(path) != LICENCE_LINES] == []


def test_what_ros2_run_starts_is_what_python_starts():
    table = [line for line in (ROOT / "scripts" / "executables.txt").read_text().split("\n") if line.isidentifier()]
    assert sorted(table) == sorted([*EXECUTABLES, *BARE])


@pytest.mark.parametrize("path", sorted([*ROOT.glob("msg/*.msg"), *ROOT.glob("srv/*.srv")]), ids=lambda path: path.name)
def test_every_field_of_a_message_is_explained_and_every_array_bounded(path):
    lines = [line for line in path.read_text().split("\n") if line.strip() and line.strip() != "---"]
    fields = [line for line in lines if not line.startswith("#")]
    assert [line for line in fields if "#" not in line] == []
    assert [line for line in fields if "[]" in line.split("#")[0]] == []
