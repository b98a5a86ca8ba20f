# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Print tables for people, in a terminal or into a file."""

from __future__ import annotations

import os
import sys

from rich.console import Console

FILE_COLUMNS = 160  # width of a table in a file or a pipe, which has no width of its own


def console() -> Console:
    """Return a console that keeps the words of a table whole where no terminal bounds its width."""
    bounded = (sys.stdout is not None and sys.stdout.isatty()) or "COLUMNS" in os.environ
    return Console(width=None if bounded else FILE_COLUMNS)
