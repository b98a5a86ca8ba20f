# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The documentation holds together: every link leads somewhere, every page can be found, the reference is complete."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.places import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "reference" not in page.relative_to(DOCS).parts)
ROOT_PAGES = [ROOT / f"{name}.md" for name in ("README", "ARCHITECTURE", "CONTRIBUTING", "CHANGELOG", "SAFETY")]
FENCE = re.compile(r"^```.*?^```|^ {4}[^\n]*$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def links(page):
    return [link for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))) if "://" not in link]


def anchors(page):
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", head).strip().lower()) for head in heads}


def navigation(entries):
    for entry in entries:
        for target in entry.values():
            yield from [target] if isinstance(target, str) else navigation(target)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    subprocess.run([sys.executable, ROOT / "scripts" / "write_reference.py", folder], check=True, timeout=300)
    return folder


def in_reference(path):
    return DOCS / "reference" in path.parents


@pytest.mark.parametrize("page", [*PAGES, *ROOT_PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page):
    dead = [link for link in links(page) if not link.startswith("#") and not in_reference(
        target := (page.parent / link.partition("#")[0]).resolve()) and not target.exists()]
    assert dead == []


def test_every_page_is_in_the_navigation_and_every_entry_is_a_page():
    names = {str(page.relative_to(DOCS)) for page in PAGES}
    found = list(navigation(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]))
    assert len(found) == len(set(found))
    assert {name for name in found if not name.startswith("reference/")} == names


def test_the_reference_has_every_page_that_is_linked_to_and_no_other(reference):
    written = {page.name for page in reference.iterdir()}
    wanted = {Path(name).name for name in navigation(yaml.safe_load(
        (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]) if name.startswith("reference/")}
    linked = {(page.parent / link.partition("#")[0]).resolve() for page in PAGES for link in links(page)}
    assert written == wanted
    assert {target.name for target in linked if in_reference(target)} <= written


def test_links_into_the_reference_name_headings_that_exist(reference):
    deep = [(page, link, (page.parent / link.partition("#")[0]).resolve()) for page in PAGES for link in links(page)
            if "#" in link]
    deep = [(page, link, target) for page, link, target in deep if in_reference(target)]
    assert deep
    for page, link, target in deep:
        assert link.partition("#")[2] in anchors(reference / target.name), f"{page.name}: {link}"


def test_the_reference_explains_every_option(reference):
    from mat_ros.core.options import options
    from mat_ros.core.robot.description import EXTENSION_FIELDS
    from mat_ros.graph.settings import LaunchSettings

    arguments = (reference / "launch-arguments.md").read_text(encoding="utf-8")
    robot = (reference / "robot-file.md").read_text(encoding="utf-8")
    assert [o.name for o in options(LaunchSettings) if f"`{o.name}`" not in arguments] == []
    assert [name for name in EXTENSION_FIELDS if f"| `{name}` |" not in robot] == []


def test_no_row_of_the_reference_lacks_its_meaning(reference):
    for name in ("messages", "training-settings", "robot-file"):
        rows = [line for line in (reference / f"{name}.md").read_text(encoding="utf-8").splitlines()
                if line.startswith("| `")]
        assert rows, name
        assert [row for row in rows if not row.split("|")[-2].strip()] == [], name


def test_the_readme_fits_on_two_screens():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 110


def test_the_command_of_every_result_is_said():
    gallery = (DOCS / "results" / "index.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in gallery.splitlines() if line.startswith("| ") and "| raw |" not in line]
    assert rows
    assert [row[0] for row in rows if "`" not in row[1] or "](" not in row[-1]] == []
