# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Tell every five seconds what a command does now and how much of it is left. A command that is quicker tells nothing.

A thread tells, because one step of a command may take minutes. So a process that is to fork must have left the block.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TextIO

EVERY_S = 5.0


class StepProgress:
    """Count the steps of a command in a `with` block."""

    def __init__(self, command: str, steps: int, every_s: float = EVERY_S, output: TextIO | None = None) -> None:
        """Begin before the first of `steps` steps. The lines go to stderr, so that they are not part of a result."""
        self._command, self._steps, self._every_s, self._output = command, steps, every_s, output
        self._done, self._now = -1, ""
        self._ended = threading.Event()
        self._began_s = time.monotonic()
        self._teller = threading.Thread(target=self._tell, daemon=True)

    def step(self, words: str) -> None:
        """Begin the next step; `words` say what it does, as in `check the native backend`."""
        self._done, self._now = self._done + 1, words

    def __enter__(self) -> StepProgress:
        """Begin to tell."""
        self._teller.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Tell nothing any more."""
        self._ended.set()
        self._teller.join()

    def _tell(self) -> None:
        while not self._ended.wait(self._every_s):
            spent = int(time.monotonic() - self._began_s)
            print(f"{self._command}: {spent // 60}:{spent % 60:02d}  {max(self._done, 0)} of {self._steps} steps are "
                  f"done{'; now ' if self._now else ''}{self._now}", file=self._output or sys.stderr, flush=True)
