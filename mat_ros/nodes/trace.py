# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Keep the times of every tick of the gate, for the file that a benchmark reads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.tick.collect import NONE
from mat_ros.core.tick.messages import Outcome


class Trace:
    """Hold a row per tick: tick, joints without a decision, and ns from the tick's start to three events.

    The events are the observation, the first decision and the applied command. Without a file, no row is kept.
    """

    def __init__(self, file: str, slots: NDArray[np.intp]) -> None:
        """Take the name of the file, or an empty text, and the slot of each joint."""
        self._file, self._slots = file, slots
        self._rows: list[tuple[int, ...]] = []
        self._start_ns = self._heard_ns = 0
        self.first_ns = 0  # when the first decision of the tick came; 0: none has come

    def begin(self, start_ns: int, heard_ns: int) -> None:
        """Begin a tick, whose observation has come."""
        self._start_ns, self._heard_ns, self.first_ns = start_ns, heard_ns, 0

    def add(self, outcome: Outcome) -> None:
        """Add the row of a tick whose command was sent."""
        if self._file:
            missed = int((outcome.validity[self._slots] == NONE).sum())
            self._rows.append((outcome.tick, missed, self._heard_ns - self._start_ns, self.first_ns - self._start_ns,
                               outcome.latency_ns))

    def save(self) -> None:
        """Write the file, if there are rows."""
        if self._rows:
            np.save(self._file, np.array(self._rows, np.int64))
