# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Stand in for a real robot whose drive keeps the last command, and log every command that reaches the robot.

The robot moves by one tick for each command. The log outlives the process. A driver that starts again finds the robot
where the last command has moved it, as a real driver does.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.tick.placement import joint_places
from mat_ros.hardware.io import Description, Float, Reading
from mat_ros.hardware.open import open_simulated

LOG = "MAT_ROS_BENCH_LOG"  # variable that holds the path of the log
SETTLE_TICKS = 50  # ticks in which a robot reaches its last command


class LoggedRobot:
    """Implement `mat_ros.hardware.io.HardwareIO` around the simulated robot of a policy."""

    def __init__(self, manifest: Manifest) -> None:
        """Open the simulated robot, and move it to the last command of the log."""
        self._robot = open_simulated(manifest, "", 0)
        self._places = joint_places(manifest)
        path = Path(os.environ[LOG])
        last = read_log(path, len(manifest.joints)).commands[-1:]
        for command in np.repeat(last, SETTLE_TICKS, axis=0):
            self._robot.write(command)
        self._log = path.open("ab", buffering=0)

    def read(self) -> Reading:
        """Return the present measurements."""
        return Reading(self._robot.read().signals, time.monotonic_ns())

    def write(self, command: Float) -> None:
        """Log the time, the command and the measured positions, then move by one tick."""
        now_ns, signals = time.monotonic_ns(), self._robot.read().signals
        places = np.where(self._places >= 0, signals[self._places], np.nan)
        self._log.write(np.concatenate([[now_ns], command, places]).astype(np.float64).tobytes())
        self._robot.write(command)

    def describe(self) -> Description:
        """Return the joints, the limits and the period of the robot."""
        return self._robot.describe()

    def close(self) -> None:
        """Close the log."""
        self._log.close()


class CommandLog:
    """The commands that have reached the robot."""

    def __init__(self, rows: Float) -> None:
        """Take rows of the time in ns, the commands and the measured positions, (command, 1 + 2 * joint)."""
        self.times_ns = rows[:, 0]  # (command,)
        self.commands, self.places = np.split(rows[:, 1:], 2, axis=1)  # (command, joint)

    def between(self, start_ns: float, stop_ns: float) -> CommandLog:
        """Return the commands of a time, and the last one before it."""
        first = max(0, int(np.searchsorted(self.times_ns, start_ns)) - 1)
        chosen = slice(first, int(np.searchsorted(self.times_ns, stop_ns, side="right")))
        return CommandLog(np.hstack([self.times_ns[chosen, None], self.commands[chosen], self.places[chosen]]))


def read_log(path: Path, joints: int) -> CommandLog:
    """Return the commands of a log that may still grow. Only the parts that are looked at are read from disk."""
    width = 1 + 2 * joints
    rows = path.stat().st_size // row_bytes(joints) if path.exists() else 0
    return CommandLog(np.memmap(path, np.float64, "r", shape=(rows, width)) if rows else np.zeros((0, width)))


def row_bytes(joints: int) -> int:
    """Return the length of a command in the log: the time, the command and the positions, each number in 8 bytes."""
    return 8 * (1 + 2 * joints)
