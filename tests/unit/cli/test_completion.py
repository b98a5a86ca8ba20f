# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Completion is tried in a real bash, on what the commands themselves declare."""

from __future__ import annotations

import argparse
import importlib
import os
import pty
import re
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("shtab", reason="needs the package's own dependencies")

from mat_ros.backends.choose import BACKENDS
from mat_ros.cli import bench, completion, table
from mat_ros.core import shipped
from mat_ros.core.options import options
from mat_ros.graph.deployment import DEPLOYMENTS
from mat_ros.graph.settings import LaunchSettings

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")

PATIENCE_S = 60.0  # bounds a hang
TAB_S = 0.15  # longest that a press of TAB may take in a bash that has nothing else to do
# Bash calls the function as it does on TAB; the test cuts the line into words as readline does.
ASK = """
compopt() { :; }
COMP_LINE=$1 COMP_POINT=${#1}; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_mat_ros
printf "%s\\n" "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "mat-ros"
    path.write_text(completion.script(), encoding="utf-8")
    return path


@pytest.fixture
def complete(script: Path):
    def complete(line: str) -> list[str]:
        words = re.findall(r"[:=]+|[^\s:=]+", line) + ([""] if line.endswith(" ") else [])
        asked = subprocess.run(["bash", "-c", f". {script}\n{ASK}", "bash", line, *words], capture_output=True,
                               text=True, timeout=PATIENCE_S)
        assert asked.stderr == ""
        return asked.stdout.split()

    return complete


def parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield the parser of every command and subcommand, as the command itself makes it."""
    waiting = [(name, importlib.import_module(command.module).parser())
               for name, command in table.commands().items() if name != "bench"]
    waiting += [(f"bench {name}", bench.bench(name).parser()) for name in bench.benches()]
    while waiting:
        name, parser = waiting.pop()
        yield name, parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                waiting += [(f"{name} {sub}", own) for sub, own in action.choices.items()]


def test_every_command_is_offered(complete):
    assert set(complete("mat-ros ")) == set(table.commands())
    assert set(complete("mat-ros bench ")) == set(bench.benches())


def test_a_beginning_is_completed(complete):
    assert complete("mat-ros doc") == ["doctor"]
    assert complete("mat-ros bench rec") == ["recovery"]


@pytest.mark.parametrize("name", sorted(dict(parsers())))
def test_every_flag_and_subcommand_that_a_command_declares_is_offered(name: str, complete):
    parser = dict(parsers())[name]
    declared = {flag for action in parser._actions for flag in action.option_strings}
    assert set(complete(f"mat-ros {name} -")) == declared
    subcommands = {sub for action in parser._actions if isinstance(action, argparse._SubParsersAction)
                   for sub in action.choices}
    if subcommands:
        assert set(complete(f"mat-ros {name} ")) == subcommands


@pytest.mark.parametrize(("line", "names"), [
    ("mat-ros replay x.mcap --policy ", shipped.policy_names()),
    ("mat-ros demo --policy ", shipped.policy_names()),
    ("mat-ros check ", shipped.policy_names()),
    ("mat-ros check halfcheetah_mat --robot ", shipped.config_names("robots")),
    ("mat-ros bench faults --policy halfcheetah_mat --grid ", shipped.config_names("grids")),
    ("mat-ros bench faults --backend ", BACKENDS),
    ("mat-ros check halfcheetah_mat --backend ", BACKENDS),
    ("mat-ros launch ", DEPLOYMENTS),
    ("mat-ros launch dexhands policy:=", shipped.policy_names()),
    ("mat-ros launch robot robot:=", shipped.config_names("robots")),
    ("mat-ros launch dexhands faults:=", shipped.config_names("faults")),
    ("mat-ros launch dexhands backend:=", BACKENDS),
    ("mat-ros launch dexhands inject:=", ("true", "false")),
])
def test_shipped_names_and_choices_are_offered_where_one_is_wanted(line: str, names, complete):
    assert set(complete(line)) == set(names)


def test_launch_offers_every_launch_argument_and_then_its_values(complete):
    assert set(complete("mat-ros launch dexhands ")) == {f"{o.name}:=" for o in options(LaunchSettings)}
    assert complete("mat-ros launch dexhands reco") == ["record:="]
    assert complete("mat-ros launch dexhands record:=run.mcap mod") == ["mode:="]
    assert complete("mat-ros launch dexhands mode:=b") == ["bounded"]
    assert complete("mat-ros launch dexhands mode:=bounded --dr") == ["--dry-run"]
    assert complete("mat-ros launch dexhands record:=") == []  # Bash goes on with files


def test_a_kind_of_fault_is_offered_by_level_and_kind(complete):
    assert {"actuator:off", "message:drop", "node:hang"} <= set(complete("mat-ros faults inject "))
    assert set(complete("mat-ros faults inject node:")) == {"crash", "hang", "restart"}


def test_a_folder_is_no_shipped_name_where_only_a_path_is_taken(complete):
    assert complete("mat-ros engines build ") == []


def test_readline_completes_a_command_an_argument_its_value_and_a_file(script: Path, tmp_path: Path):
    (tmp_path / "kept.mcap").touch()
    lines = {"mat-ros doct\t": "doctor", "mat-ros launch dexhands reco\tke\t": "launch dexhands record:=kept.mcap",
             "mat-ros launch dexhands mode:=bou\t": "launch dexhands mode:=bounded"}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execvpe("bash", ["bash", "--norc", "-i"],
                   {**os.environ, "PS1": "$ ", "TERM": "dumb", "INPUTRC": "/dev/null"})
    try:
        read_until(terminal, "$ ")
        os.write(terminal, f". {script}; mat-ros() {{ printf '<%s>' \"$*\"; }}\n".encode())
        read_until(terminal, "$ ")
        for typed, completed in lines.items():
            os.write(terminal, f"{typed}\n".encode())
            assert f"<{completed}>" in read_until(terminal, ">")
    finally:
        os.close(terminal)
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def read_until(terminal: int, sign: str) -> str:
    """Read what a terminal shows until a sign comes."""
    said, give_up = "", time.monotonic() + PATIENCE_S
    while sign not in said:
        assert time.monotonic() < give_up, said
        if select.select([terminal], [], [], 1.0)[0]:
            said += os.read(terminal, 4096).decode()
    return said


def test_a_press_of_tab_takes_no_longer_than_a_blink(script: Path):
    times = "for k in 1 2 3 4 5; do s=$EPOCHREALTIME; _mat_ros; e=$EPOCHREALTIME; echo $(( ${e/./} - ${s/./} )); done"
    line, words = "mat-ros launch dexhands mode:=b", ["mat-ros", "launch", "dexhands", "mode", ":=", "b"]
    asked = subprocess.run(["bash", "-c", f". {script}\n{ASK}\n{times}", "bash", line, *words], capture_output=True,
                           text=True, timeout=PATIENCE_S, check=True)
    taken_us = [int(text) for text in asked.stdout.split()[-5:]]
    assert min(taken_us) < TAB_S * 1e6
