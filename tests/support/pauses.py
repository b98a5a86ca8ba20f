# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Measure for how long a busy machine keeps a process of ordinary priority from running."""

from __future__ import annotations

import subprocess
import sys

LOOK_S = 0.001
PROGRAM = f"""
import select, sys, time
longest, last = 0.0, time.monotonic()
while not select.select([sys.stdin], [], [], {LOOK_S})[0]:
    now = time.monotonic()
    longest, last = max(longest, now - last - {LOOK_S}), now
print(longest)
"""


class LongestPause:
    """Keep a process awake while the block runs; `seconds` is the longest time for which it did not run."""

    seconds = 0.0

    def __enter__(self) -> LongestPause:
        self._process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = float(self._process.communicate("\n")[0])
