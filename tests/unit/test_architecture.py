# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""ARCHITECTURE.md is a map: what it names exists, and the walls that it draws stand."""

import ast
import re

import pytest

from support.places import ROOT

NAMED = re.findall(r"`((?:mat_ros|training|tests|launch|msg|srv|cuda|trt_engines)/[\w./]*)`",
                   (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))
ALLOWED = {"mat_ros.core", "mat_ros.worlds", "mat_ros.backends"}


def imports(folder):
    for file in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else \
                [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            yield from ((file.relative_to(ROOT), name) for name in names)


@pytest.mark.parametrize("name", sorted(set(NAMED)))
def test_everything_that_the_map_names_exists(name):
    assert (ROOT / name).exists()


def test_the_map_names_the_rooms_of_the_house():
    assert len(set(NAMED)) > 15


def test_the_runtime_never_imports_training():
    assert [found for found in imports("mat_ros") if found[1].split(".")[0] == "training"] == []


def test_training_takes_of_the_runtime_only_core_worlds_and_backends():
    taken = {name for _, name in imports("training") if name.split(".")[0] == "mat_ros" and "." in name}
    assert {name for name in taken if ".".join(name.split(".")[:2]) not in ALLOWED} == set()
