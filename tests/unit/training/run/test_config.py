# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The settings of the training commands explain themselves in --help."""

from __future__ import annotations

import ast

import pytest

from support.places import ROOT

FOLDERS = ("", "run", "experiments", "bench")


def settings_of(folder: str) -> dict[str, dict[str, str]]:
    """Return the text below each field of the classes of settings in a folder: class -> field -> text."""
    found = {}
    for file in sorted((ROOT / "training" / folder).glob("*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and node.name.endswith("Config"):
                found[node.name] = fields = {}
                for field, below in zip(node.body, [*node.body[1:], None], strict=True):
                    if isinstance(field, ast.AnnAssign):
                        said = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
                        fields[ast.unparse(field.target)] = below.value.value if said else ""
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_setting_is_explained_by_a_sentence_of_its_own(folder):
    found = settings_of(folder)
    for name, fields in found.items():
        for field, text in fields.items():
            assert text[:1].isupper() and text.endswith(".") and len(text.split()) >= 4, (name, field, text)
        assert fields and len(set(fields.values())) == len(fields), name
    assert found
