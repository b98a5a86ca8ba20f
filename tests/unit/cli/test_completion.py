# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Completion is tried in a real bash."""

import shutil
import subprocess

import pytest

from mat_ros.cli import completion
from mat_ros.cli import main as cli

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def complete(*words):
    line, at = " ".join(f"'{word}'" for word in words), len(words) - 1
    script = f"{completion.script()}\ncompopt() {{ :; }}\nCOMP_WORDS=({line}); COMP_CWORD={at}\n_mat_ros\n" \
             'printf "%s\\n" "${COMPREPLY[@]}"'
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60).stdout.split()


def test_every_command_is_offered():
    assert set(complete("mat-ros", "")) == set(cli.commands())


def test_a_beginning_is_completed():
    assert complete("mat-ros", "doc") == ["doctor"]


def test_launch_offers_launch_files_and_then_arguments():
    assert {"dexhands", "mamujoco"} <= set(complete("mat-ros", "launch", ""))
    assert complete("mat-ros", "launch", "dexhands", "reco") == ["record:="]


def test_policies_are_offered_where_one_is_wanted():
    assert "dexhands_door_mat" in complete("mat-ros", "replay", "x.mcap", "--policy", "dex")


def test_subcommands_are_those_that_exist(capsys):
    for name, words in completion.SUBCOMMANDS.items():
        with pytest.raises(SystemExit):
            cli.main([name, "--help"])
        text = capsys.readouterr().out
        assert [word for word in words.split() if word not in text] == []
