# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Connect the safety gate with what commands the robot, and with the stop that is latched on disk.

A simulated robot receives the applied commands as messages. It needs no link, so `GateLink` does nothing. A real robot
has a driver, which `DriverLink` commands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Missing
from mat_ros.core.tick.latch import Stop, StopLatch
from mat_ros.hardware.guest import Guest
from mat_ros.hardware.io import Float

DRIVER_S = 10.0  # patience with a driver that is still starting


@dataclass(frozen=True)
class Fate:
    """State what became of the gate's last command."""

    taken: bool = False  # the driver took the command
    reason: str = ""  # why the driver did not take the command; empty where the gate has reported the reason already
    misplaced: bool = False  # the gate has to find the robot again
    stopped: bool = False  # a stop is latched on disk


class GateLink:
    """Link the gate to a simulated robot: there is no driver, and no stop outlives the process."""

    paced = False  # whether a walk to the fallback waits a period between two commands
    keep_ns: int | None = None  # when the gate has to tell the driver that it runs

    def stop(self) -> Stop | None:
        """Return the stop that is latched on disk."""
        return None

    @property
    def latching(self) -> bool:
        """Return whether a stop is on its way to the disk."""
        return False

    def latch(self, cause: str, then: Callable[[str], object]) -> None:
        """Latch a stop and pass on its cause: the cause of an earlier stop where one is latched already."""
        then(cause)

    def command(self, values: Float, found: NDArray[np.bool_]) -> str:
        """Send a command. Return why it cannot be sent; an empty text if it can."""
        return ""

    def keep(self) -> str:
        """Tell the driver that the gate runs, if that is due. Return why it cannot be told; an empty text if it can."""
        return ""

    def fate(self) -> Fate | None:
        """Return what became of the last command, once; None while nothing is known of it."""
        return None

    def let_go(self) -> None:
        """Tell the driver that the robot is at its fallback, so that it expects no more commands."""

    def close(self) -> None:
        """Wait until a latched stop is on disk."""


class DriverLink(GateLink):
    """Link the gate to the driver of a real robot, whose stops are latched on disk."""

    paced = True

    def __init__(self, robot: str, driver: Path, period_ns: int, now_ns: Callable[[], int]) -> None:
        """Connect to the driver, which may still be starting."""
        self._latch, self._driver = StopLatch(robot), Guest(driver)
        self._period_ns, self._now_ns = period_ns, now_ns
        self._sent_ns = 0  # when the last command was sent
        self._gone = False  # the driver was not there at the last command
        self._driver.connect(DRIVER_S)

    def stop(self) -> Stop | None:
        """Return the stop that is latched on disk."""
        return self._latch.read()

    @property
    def latching(self) -> bool:
        """Return whether a stop is on its way to the disk."""
        return self._latch.writing

    def latch(self, cause: str, then: Callable[[str], object]) -> None:
        """Let a thread put a stop on disk, and then pass on the cause that the disk has."""
        self._latch.write_aside(cause, lambda stop: then(stop.cause))

    def release(self, named: str) -> Stop | None:
        """Undo the stop for an operator who names the robot, and return the stop; None if no stop was latched."""
        stop = self._latch.release(named)
        self._driver.release()
        return stop

    def command(self, values: Float, found: NDArray[np.bool_]) -> str:
        """Send a command. Return why it cannot be sent; an empty text if it can. The next command is tried again."""
        self._sent_ns = self._now_ns()
        self.keep_ns = self._sent_ns + self._period_ns
        try:
            self._driver.command(values, found)
        except Missing as error:
            self._gone = True
            return str(error)
        return ""

    def keep(self) -> str:
        """Tell the driver, one period after a command, that the gate runs and waits for the decisions of its tick."""
        if self.keep_ns is None or self._now_ns() < self.keep_ns:
            return ""
        self.keep_ns = None
        try:
            self._driver.keep()
        except Missing as error:
            return str(error)
        return ""

    def fate(self) -> Fate | None:
        """Return what became of the last command, once; None while nothing is known of it."""
        if self._gone:
            self._gone = False
            return Fate(misplaced=True)  # another driver will command the robot
        if not self._driver.waits:
            return None
        try:
            answer = self._driver.answer()
        except Missing as error:
            return Fate(reason=str(error), misplaced=True)
        if answer is None:
            late = self._now_ns() - self._sent_ns > self._period_ns // 2  # otherwise the answer may still come
            return Fate(reason="the driver does not answer") if late else None
        if answer.taken:
            return Fate(taken=True)
        return Fate(reason=answer.reason, misplaced=answer.misplaced, stopped=self._latch.read() is not None)

    def let_go(self) -> None:
        """Tell the driver that the robot is at its fallback, so that it expects no more commands."""
        self._driver.let_go()

    def close(self) -> None:
        """Wait until a latched stop is on disk."""
        self._latch.wait()
