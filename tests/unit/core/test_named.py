# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A world, a task or an adapter has a registered name, or is module:Class, and nothing else imports a user's module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mat_ros.core import named
from mat_ros.core.errors import Missing, Refused
from support.places import ROOT


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Return the current folder, which holds a module of the user."""
    (tmp_path / "crane_of_a_user.py").write_text("class Crane: pass\nclass Crane_2: pass\n", encoding="utf-8")
    (tmp_path / "json.py").write_text("raise AssertionError\n", encoding="utf-8")
    (tmp_path / "needs_more.py").write_text("import a_package_that_nobody_has\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    yield tmp_path
    for name in ("crane_of_a_user", "needs_more"):
        sys.modules.pop(name, None)


def test_a_module_of_the_current_folder_is_found_and_hides_no_other_module(folder):
    assert named.find(named.ADAPTERS, "crane_of_a_user:Crane").__name__ == "Crane"
    assert sys.path[-1] == str(folder)


def test_every_registered_name_of_this_package_exists_as_the_file_has_it():
    for entry in named.own_entries():
        module, _, attribute = entry.value.partition(":")
        text = (ROOT / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8")
        assert f"class {attribute}" in text or f"def {attribute}" in text, entry


def test_what_an_installed_package_registers_is_found(tmp_path, monkeypatch):
    made = tmp_path / "cranes-1.4.dist-info"
    made.mkdir()
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: cranes\nVersion: 1.4\n", encoding="utf-8")
    registered = ("[mat_ros.hardware]\nharbour = cranes_of_a_package:Crane\n"
                  "[mat_ros.tasks]\nlift_a_box = cranes_of_a_package:Crane\n")
    (made / "entry_points.txt").write_text(registered, encoding="utf-8")
    (tmp_path / "cranes_of_a_package.py").write_text("__version__ = '1.4'\nclass Crane: pass\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    crane = named.find(named.ADAPTERS, "harbour")
    assert "harbour" in named.names(named.ADAPTERS)
    assert named.split_name("lift_a_box_by_two_arms", named.TASKS) == ("lift_a_box", "by_two_arms")
    assert named.source_of(crane) == named.CodeSource("cranes_of_a_package:Crane", "1.4")


def test_an_unknown_name_is_refused_with_the_known_names():
    with pytest.raises(Refused, match=r"hardware crane: expected one of .*fake.*, or module:Class, got 'crane'"):
        named.find(named.ADAPTERS, "crane")
    with pytest.raises(Refused, match="world nowhere:World: expected an importable module:Class"):
        named.find(named.WORLDS, "nowhere:World")


def test_a_package_that_a_module_lacks_is_named(folder):
    with pytest.raises(Missing, match="'a_package_that_nobody_has', which task needs_more:Task needs, is missing"):
        named.find(named.TASKS, "needs_more:Task")


@pytest.mark.parametrize(("text", "said"), [
    ("def", "SyntaxError"), ("1 / 0", "ZeroDivisionError: division by zero"), ("from json import none", "ImportError")])
def test_a_module_that_raises_an_error_is_refused_in_one_sentence(folder, text, said):
    (folder / "faulty_of_a_user.py").write_text(text, encoding="utf-8")
    with pytest.raises(Refused, match=rf"task faulty_of_a_user:T: expected a module .*, got {said}"):
        named.find(named.TASKS, "faulty_of_a_user:T")
    with pytest.raises(Refused, match="expected an importable module:Class, got a module without Barge"):
        named.find(named.ADAPTERS, "crane_of_a_user:Barge")


@pytest.mark.parametrize(("name", "parts"), [
    ("halfcheetah_6x1", ("halfcheetah", "6x1")), ("door_open_outward_finger", ("door_open_outward", "finger")),
    ("over", ("over", "")), ("crane_of_a_user:Crane_joint", ("crane_of_a_user:Crane", "joint")),
    ("crane_of_a_user:Crane_2_joint", ("crane_of_a_user:Crane_2", "joint")), ("elephant_4", ("", "elephant_4")),
])
def test_a_name_and_its_split_are_told_apart_though_both_may_have_underscores(folder, name, parts):
    assert named.split_name(name, named.TASKS) == parts


def test_a_loose_module_has_a_digest_for_a_version_and_a_change_changes_it(folder):
    first = named.source_of(named.find(named.ADAPTERS, "crane_of_a_user:Crane"))
    assert first.object == "crane_of_a_user:Crane" and first.version.startswith("sha256:")
    (folder / "crane_of_a_user.py").write_text("class Crane: size = 2\n", encoding="utf-8")
    assert named.source_of(named.find(named.ADAPTERS, "crane_of_a_user:Crane")).version != first.version


def test_pip_registers_the_names_of_the_same_file():
    pytest.importorskip("setuptools", reason="needs the tool that builds the package")
    code = ("from setuptools import Distribution; from setuptools.config import pyprojecttoml as p; "
            "d = Distribution(); p.apply_configuration(d, 'pyproject.toml', ignore_option_errors=True); "
            "print(*(f'{g}:{e}' for g, es in d.entry_points.items() for e in es), sep='\\n')")
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True,
                           check=True)
    registered = {line.replace(" = ", "=") for line in found.stdout.splitlines()}
    assert {f"{e.group}:{e.name}={e.value}" for e in named.own_entries()} == {
        line for line in registered if not line.startswith("console_scripts")}
    assert "console_scripts:mat-ros=mat_ros.cli.main:main" in registered
