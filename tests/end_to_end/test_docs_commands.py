# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The commands of the documentation: those of the tutorials are run from the pages, all others name what exists.

A fence behind `<!-- run A=B ... -->` is run with B in place of A, so that it is short; one behind
`<!-- file NAME -->` is written to that file.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mat_ros.cli import table
from mat_ros.core.options import options
from mat_ros.graph.settings import LaunchSettings
from support.places import ROOT

TUTORIALS = ("first-run", "train-your-first-policy", "from-training-to-ros", "break-a-joint")  # each needs those before
MARKED = re.compile(r"^<!-- (run|file)(.*?) -->\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^ {4}|^|`|\(|\$ |= )((?:mat-ros|python -m training\.\w+)(?: [^`#)\n]*)?)", re.MULTILINE)
PATIENCE_S = 900  # bounds a hang on a machine that is busy


def marked(page):
    return MARKED.findall((ROOT / "docs" / "tutorials" / f"{page}.md").read_text(encoding="utf-8"))


def commands():
    pages = [ROOT / "README.md", *(page for page in (ROOT / "docs").rglob("*.md") if "reference" not in page.parts)]
    for page in pages:
        text = re.sub(r"\\\n\s*", " ", page.read_text(encoding="utf-8"))
        for found in COMMAND.findall(text):
            yield page.relative_to(ROOT), found.strip()


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    subprocess.run([sys.executable, ROOT / "scripts" / "write_reference.py", folder], check=True, timeout=300)
    return folder


def section(text, title):
    """Give the part of a page under a heading, with what is below it."""
    return "".join(re.findall(rf"^#+ {re.escape(title)}(?: .*)?$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))


def test_every_command_and_option_in_the_documentation_exists(reference):
    helps = (reference / "command-line.md").read_text(encoding="utf-8")
    settings = (reference / "training-settings.md").read_text(encoding="utf-8")
    arguments = {option.name for option in options(LaunchSettings)}
    seen, wrong = 0, []
    for page, text in commands():
        words, given = text.split(), re.findall(r"(?<!\S)--([\w-]+)", text)
        if words[0] == "mat-ros" and len(words) > 1 and words[1][0].islower():
            known = words[1] in table.commands()
            named = section(helps, f"mat-ros {words[1]}")
            unknown = [name for name in given if f"--{name}" not in named and name != "help"]
            unknown += [name for name in re.findall(r"(\w+):=", text) if name not in arguments]
        elif words[0] == "python" and (named := section(settings, " ".join(words[:3]))):
            known = True
            unknown = [name for name in given if f"| `{name.removeprefix('no-').replace('-', '_')}` |" not in named
                       and name not in ("help", "preset")]
        else:
            continue
        seen += 1
        wrong += [] if known and not unknown else [(str(page), text, unknown)]
    assert wrong == []
    assert seen > 40


@pytest.mark.parametrize("page", TUTORIALS)
def test_every_scaled_down_word_stands_in_its_command(page):
    blocks = marked(page)
    assert blocks
    for kind, words, body in blocks:
        if kind == "run":
            assert [pair for pair in words.split() if pair.partition("=")[0] not in body] == []


@pytest.mark.train
@pytest.mark.ros
@pytest.mark.sim
@pytest.mark.slow
def test_the_tutorials_run_from_their_pages(tmp_path):
    bin_folder = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": os.pathsep.join([bin_folder, os.environ["PATH"]]), "OMP_NUM_THREADS": "1",
                   "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))}
    ran = 0
    for page in TUTORIALS:
        for kind, words, body in marked(page):
            if kind == "file":
                (tmp_path / words.strip()).write_text(body, encoding="utf-8")
                continue
            for pair in words.split():
                body = body.replace(*pair.split("="))
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", body], cwd=tmp_path, env=environment, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE_S)
            assert done.returncode == 0, f"{page}:\n{body}\n{done.stdout[-4000:]}"
            ran += 1
    assert ran >= 12
    assert "decided again" in subprocess.run(
        ["mat-ros", "replay", "recordings/first.mcap", "--policy", "policies/first"], cwd=tmp_path, env=environment,
        capture_output=True, text=True, timeout=PATIENCE_S).stdout
    assert (tmp_path / "reports/faults/report.html").stat().st_size > 10_000
    columns = (tmp_path / "runs/first/metrics.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    glossary = (ROOT / "scripts/write_reference.py").read_text(encoding="utf-8")
    assert [name for name in columns if f'    "{name}": (' not in glossary] == []
