# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run tests that another test has made up, with this project's conftest, as a run of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.places import ROOT, TESTS

MARKERS = "markers=sim ros train gpu slow"
PATIENCE_S = 120.0


def outside() -> dict[str, str]:
    """Return the environment for a run of its own, whose first process is no worker, although this one may be."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}


def run(folder: Path, source: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the tests of a source with some more words and variables."""
    (folder / "test_made_up.py").write_text(source)
    environment = outside() | {"PYTHONPATH": os.pathsep.join((str(TESTS), str(ROOT))), **variables}
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "-c", os.devnull,
               "--rootdir", str(folder), "-o", MARKERS, *words, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, timeout=PATIENCE_S)
