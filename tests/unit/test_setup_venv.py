# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""`scripts/setup_venv.sh` makes, mends and confirms .venv: tried with a pip that only writes down what it is asked."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.places import ROOT

PROMISED = ("numpy", "yaml", "rich", "safetensors", "mujoco")
EDITABLE = "install --no-build-isolation --editable .[{}]"

# Stands for a system's Python: `-m venv` adds the pip below, and what the test says is missing is missing.
PYTHON = """#!/bin/bash
case "$*" in
  *_base_executable*) echo "$0" ;;
  *Python.h*) [ -z "$LACKS_HEADER" ] ;;
  *EGL*) [ -z "$LACKS_EGL" ] ;;
  "-m venv "*)
    [ -z "$VENV_FAILS" ] || exit 1
    {python} -m venv --without-pip "$3" || exit 1
    pip=$(echo "$3"/lib/python3.*/site-packages)/pip
    mkdir "$pip" && touch "$pip/__init__.py" && cp {pip} "$pip/__main__.py" ;;
  *) exec {python} "$@" ;;
esac
"""

PIP = """import os, pathlib, sys, sysconfig, time
with open(os.environ["ASKED"], "a") as asked:
    print(*sys.argv[1:], file=asked)
if slow := float(os.environ.get("PIP_TAKES_S", 0)) if "--editable" in sys.argv else 0:
    print("Collecting torch", "  Downloading https://host/torch-2-any.whl (555.0 MB)", "Collecting rich", sep="\\n")
    sys.stdout.flush()
    time.sleep(slow)
    print("Installing collected packages: torch, rich", flush=True)
    time.sleep(slow)
if os.environ.get("PIP_FAILS"):
    sys.exit("no network")
site = pathlib.Path(sysconfig.get_path("purelib"))
for name in {promised}:
    (site / name).mkdir(exist_ok=True)
    (site / name / "__init__.py").touch()
    (site / f"{{name}}-1.0.dist-info").mkdir(exist_ok=True)
    (site / f"{{name}}-1.0.dist-info/RECORD").write_text(f"{{name}}/__init__.py,,\\n{{name}}/__pycache__/x.pyc,,\\n")
"""


class Tree:
    """A folder with the script and what it reads, on a machine of which the test says what it has."""

    def __init__(self, folder: Path) -> None:
        self.root, self.bin, self.asked = folder / "tree", folder / "bin", folder / "asked"
        self.venv = self.root / ".venv"
        for name in ("scripts", "msg", "srv", "mat_ros/backends/native", "mat_ros/nodes/native"):
            (self.root / name).mkdir(parents=True)
        self.bin.mkdir()
        for name in ("pyproject.toml", "setup.py", "scripts/setup_venv.sh", "scripts/executables.txt",
                     "scripts/build_loop.py", "scripts/build_messages.py", "scripts/build_native.py"):
            shutil.copy(ROOT / name, self.root / name)
        pip = folder / "pip.py"
        pip.write_text(PIP.format(promised=PROMISED))
        self.python = self.tool("python3.12", PYTHON.replace("{python}", sys.executable).replace("{pip}", str(pip)))
        for name, status in (("g++", 0), ("sudo", 1), ("apt-get", 1)):
            self.tool(name, f"#!/bin/sh\nexit {status}\n")
        self.tool("id", "#!/bin/sh\necho 1000\n")

    def tool(self, name: str, text: str) -> Path:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def run(self, *extras: str, **environment: str) -> subprocess.CompletedProcess:
        self.asked.write_text("")
        clean = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "LACKS_HEADER")}
        clean |= {"PATH": f"{self.bin}:/usr/bin:/bin", "PYTHON": str(self.python), "ASKED": str(self.asked)}
        return subprocess.run([self.root / "scripts/setup_venv.sh", *extras], env=clean | environment,
                              capture_output=True, text=True, timeout=300)

    @property
    def asked_of_pip(self) -> list[str]:
        """What pip was asked, without itself and the build requirements, which every install asks for."""
        lines = self.asked.read_text().splitlines()
        return [line for line in lines if "setuptools" not in line and line != "install" and "install pip>" not in line]

    @property
    def site(self) -> Path:
        (site,) = self.venv.glob("lib/python3.*/site-packages")
        return site


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


@pytest.fixture
def made(tree):
    done = tree.run("viz")
    assert done.returncode == 0, done.stderr
    assert tree.asked_of_pip == [EDITABLE.format("viz")]
    return tree


def test_what_the_system_lacks_is_named_with_the_line_that_installs_it_and_nothing_is_made(tree):
    (tree.bin / "g++").unlink()
    path = f"{tree.bin}:{tree.bin.parent}/tools"
    tools = tree.bin.parent / "tools"
    tools.mkdir()
    for name in ("bash", "env", "dirname", "flock", "sed", "grep"):  # all of /usr/bin but a compiler
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    done = tree.run("viz", PATH=path, LACKS_HEADER="1")
    version = f"python3.{sys.version_info.minor}"
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "setup: please run this once, then try again:  "
        f"sudo apt-get install -y --no-install-recommends {version}-dev g++"]
    assert not tree.venv.exists()


def test_what_only_draws_pictures_is_named_but_not_waited_for(tree):
    done = tree.run("sim", LACKS_EGL="1")
    assert done.returncode == 0
    assert "apt-get install -y --no-install-recommends libegl1 libopengl0 libgl1-mesa-dri\n" in done.stderr
    assert tree.asked_of_pip == [EDITABLE.format("sim")]
    assert tree.run("sim", LACKS_EGL="1").stderr == ""


@pytest.mark.parametrize(("python", "told"), [
    ("python3.99", "is not installed"), ("python2.7", "is not a Python from 3.10 to 3.13")])
def test_a_python_that_cannot_be_used_is_refused_and_an_existing_venv_stays(made, python, told):
    made.tool("python2.7", "#!/bin/sh\nexit 1\n")
    done = made.run("viz", PYTHON=python)
    assert done.returncode == 1
    assert f"PYTHON={python} {told}" in done.stderr
    assert made.run("viz").stderr == ""


def test_a_second_run_asks_pip_for_nothing_and_says_nothing(made):
    done = made.run("viz")
    assert (done.returncode, done.stderr, made.asked_of_pip) == (0, "", [])


def test_a_long_installation_tells_what_it_does_and_how_much_is_left(tree):
    done = tree.run("viz", PIP_TAKES_S="1.5", MAT_ROS_SETUP_TELLS="0.3")
    assert done.returncode == 0
    assert "setup: 0:0" in done.stderr
    assert "  1 of 2 packages are fetched; now torch-2-any.whl (555.0 MB)\n" in done.stderr
    assert "  0 of 2 packages are installed\n" in done.stderr


def test_an_extra_is_added_to_those_that_are_there(made):
    assert made.run("docs").returncode == 0
    assert made.asked_of_pip == [EDITABLE.format("docs,viz")]


def test_a_package_that_lost_files_is_installed_again_and_no_other(made):
    shutil.rmtree(made.site / "rich")
    assert made.run("viz").returncode == 0
    assert made.asked_of_pip == ["install --ignore-installed --no-deps rich==1.0", EDITABLE.format("viz")]
    assert made.run("viz").stderr == ""


def test_a_package_that_is_gone_without_a_trace_is_installed_again(made):
    shutil.rmtree(made.site / "rich")
    shutil.rmtree(made.site / "rich-1.0.dist-info")
    assert made.run("viz").returncode == 0
    assert made.asked_of_pip == ["install --ignore-installed --no-deps rich==1.0", EDITABLE.format("viz")]


def test_lost_bytecode_is_no_damage(made):
    shutil.rmtree(made.site / "rich" / "__pycache__", ignore_errors=True)
    assert made.run("viz").stderr == ""


def test_an_install_that_was_cut_short_is_not_taken_for_done(made):
    assert made.run("docs", PIP_FAILS="1", VENV_FAILS="1").returncode == 1
    assert made.run("viz").returncode == 0
    assert made.asked_of_pip == [EDITABLE.format("viz")]


@pytest.mark.parametrize("harm", ["python", "activate", "site-packages", "pip"])
def test_a_venv_past_mending_is_made_anew(made, harm):
    lost = {"python": made.venv / "bin/python", "activate": made.venv / "bin/activate", "site-packages": made.site,
            "pip": made.site / "pip"}[harm]
    shutil.rmtree(lost) if lost.is_dir() else lost.unlink()
    (made.venv / "old").touch()
    done = made.run("viz")
    assert done.returncode == 0
    assert "making .venv" in done.stderr
    assert not (made.venv / "old").exists()
    assert not (made.root / ".venv.old").exists()
    assert made.run("viz").stderr == ""


def test_a_venv_of_another_python_than_asked_for_is_made_anew(made):
    other = made.tool("python3.13", (made.bin / "python3.12").read_text().replace(
        "  *_base_executable*)", "  *print?sys.version?*) echo another ;;\n  *_base_executable*)"))
    done = made.run("viz", PYTHON=str(other))
    assert done.returncode == 0
    assert f"the existing .venv was not made by PYTHON={other}" in done.stderr
    assert made.run("viz").stderr == ""


def test_where_nothing_can_be_installed_the_old_venv_is_put_back(made):
    (made.venv / "old").touch()
    for failure in ({"PIP_FAILS": "1"}, {"VENV_FAILS": "1", "PIP_FAILS": "1"}):
        done = made.run("viz", "docs", **failure)
        assert done.returncode == 1
        assert "the whole log is in" in done.stderr
        assert (made.venv / "old").exists()
        assert not (made.root / ".venv.old").exists()
    assert made.run("viz", "docs").returncode == 0
    assert (made.venv / "old").exists()


def test_an_old_venv_that_was_moved_aside_outlives_a_second_failure(made):
    (made.venv / "old").touch()
    shutil.move(made.venv, made.root / ".venv.old")  # as a run leaves it that is killed while it makes a new one
    made.venv.mkdir()
    assert made.run("viz", PIP_FAILS="1").returncode == 1
    assert (made.venv / "old").exists()
