# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A table that is written into a file or a pipe keeps its words whole."""

from __future__ import annotations

import pytest
from rich.table import Table

from mat_ros.view.console import console


def test_a_table_in_a_pipe_does_not_cut_its_words(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    words = [f"column_number_{k}" for k in range(8)]  # 120 characters, more than a terminal is assumed to have
    table = Table(*words)
    table.add_row(*words)
    console().print(table)
    printed = capsys.readouterr().out
    assert all(printed.count(word) == 2 for word in words)


def test_a_width_that_the_user_sets_goes_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert console().width == 60
