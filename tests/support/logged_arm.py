# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""An adapter of the golden arm that notes every command in a file, and that other files make fail or hang."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from mat_ros.core.policy.manifest import Manifest
from mat_ros.hardware.io import Description, Float, Reading, description_of

FOLDER = "MAT_ROS_TEST_ARM"  # variable that names the folder of the log, and of the files `fail` and `block`


class Arm:
    """Joints that are where they were last commanded to be; the other measurements swing, so that requests move."""

    def __init__(self, manifest: Manifest) -> None:
        self._description, self._count = description_of(manifest), manifest.layout.signal_count
        self._folder, self._begun = Path(os.environ[FOLDER]), time.monotonic()
        self._place = np.zeros(len(manifest.joints))

    def read(self) -> Reading:
        signals = np.full(self._count, 3.0 * np.sin(2.0 * (time.monotonic() - self._begun)), np.float32)
        signals[:len(self._place)] = self._place
        return Reading(signals, time.monotonic_ns())

    def write(self, command: Float) -> None:
        at = time.monotonic()
        if (self._folder / "fail").exists():
            raise ConnectionError("no carrier")
        while (self._folder / "block").exists():
            time.sleep(0.01)
        self._place = command.copy()
        with (self._folder / "writes").open("a", encoding="utf-8") as file:
            file.write(f"{at} {' '.join(map(str, command))}\n")

    def describe(self) -> Description:
        return self._description

    def close(self) -> None:
        (self._folder / "closed").touch()


def writes(folder: Path) -> np.ndarray:
    """Return the commands that reached the arm so far, (write, 1 + joint): the time in s, then the joints."""
    file = folder / "writes"
    return np.loadtxt(file, ndmin=2) if file.exists() else np.zeros((0, 5))
