# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Log why a node does not do its work, and keep neither the log nor the tick busy with it."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Callable

AGAIN_S = 10.0  # time before the same reason is logged again; two reasons may take turns in every tick
NUMBERS = re.compile(r"[-\d.]+")
REASONS = 100  # largest number of reasons whose last line is remembered
LINES = 256  # largest number of lines that wait for a slow disk
END_S = 1.0  # patience with the log at the end of the node


class Scribe:
    """Log each reason at most once in ten seconds.

    A disk or a terminal may keep a writer waiting for longer than a tick. So what commands a robot logs `aside`: a
    thread writes its lines.
    """

    def __init__(self, write: Callable[[str], object], aside: bool) -> None:
        self._write = write
        self._again_s: dict[str, float] = {}  # by reason without its numbers: earliest time of its next line
        self._lines: queue.Queue[str | None] = queue.Queue(LINES)
        self._thread = threading.Thread(target=self._run, daemon=True) if aside else None
        if self._thread is not None:
            self._thread.start()

    def log(self, reason: str) -> None:
        """Log a reason, unless it was logged a short time ago."""
        now_s = time.monotonic()
        kind = NUMBERS.sub("", reason)  # a measurement in a reason changes with every tick
        if now_s < self._again_s.get(kind, 0.0):
            return
        if len(self._again_s) >= REASONS:
            self._again_s.clear()
        self._again_s[kind] = now_s + AGAIN_S
        if self._thread is None:
            self._write(reason)
        elif not self._lines.full():
            self._lines.put_nowait(reason)

    def close(self) -> None:
        """Write all lines that wait, unless that takes longer than a second."""
        if self._thread is not None and not self._lines.full():
            self._lines.put_nowait(None)
            self._thread.join(END_S)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            self._write(line)
