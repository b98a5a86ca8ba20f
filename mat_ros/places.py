# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Look at where results are to go before time is spent on making them."""

from __future__ import annotations

from pathlib import Path


def check_writable(file: Path) -> None:
    """Make the folder of a file and open it once; where that fails, the system's error names place and reason."""
    file.parent.mkdir(parents=True, exist_ok=True)
    existed = file.exists()
    file.open("ab").close()  # tried and not looked up: permissions alone do not say it
    if not existed:
        file.unlink()
