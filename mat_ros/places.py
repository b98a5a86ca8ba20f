# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Look at where results are to go before hours are spent on making them."""

from __future__ import annotations

import os
from pathlib import Path

from mat_ros.core.errors import Refused


def writable_folder(folder: Path) -> Path:
    """Make a folder where there is none, and refuse one that cannot be written to."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Refused(f"folder {folder}", "one that can be written to", "a read-only one", "choose another")
    return folder


def writable_file(file: Path) -> Path:
    """Make the folder of a file, and refuse a place where none can be written."""
    writable_folder(file.parent)
    if file.is_dir() or (file.exists() and not os.access(file, os.W_OK)):
        raise Refused(f"file {file}", "one that can be written", "a folder" if file.is_dir() else "a read-only one",
                      "choose another")
    return file
