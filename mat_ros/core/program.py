# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run another Python program of this project. Where the program refuses its input, refuse with the same sentence.

The runtime uses training only through this module. The runtime imports nothing of training.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from mat_ros.core.errors import REFUSED, Missing, Refused


def run_python(arguments: Sequence[str], what: str, remedy: str) -> str:
    """Run `python ARGUMENTS` and return its output; `what` and `remedy` describe a program that cannot run here."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    if done.returncode == 0:
        return done.stdout
    said = (done.stderr.strip() or f"it ended with status {done.returncode}").splitlines()[-1]
    if done.returncode == REFUSED:
        raise Refused.quoted(said)
    raise Missing(f"{what} ({said})", remedy)
