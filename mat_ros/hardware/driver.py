# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Drive a robot: the driver is the last process before the hardware, and the only one that owns the adapter.

The safety gate sends each command over a local socket, with a sequence number. The driver checks the same limits again,
writes the command, and answers whether the hardware took it. When no command comes for two periods, the gate has ended
or hangs. Then the driver latches a stop and moves every joint to its fallback. For this it needs no policy, no ROS and
no other process.

`Driving` holds the whole logic, without sockets and clocks. `serve` is the loop around it.
"""

from __future__ import annotations

import gc
import selectors
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mat_ros.core.errors import Refused, foreign
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.core.robot.joints import Joint
from mat_ros.core.tick.latch import StopLatch
from mat_ros.core.tick.placement import AGREE
from mat_ros.core.tick.safety import Gate
from mat_ros.hardware.io import Float, HardwareIO, Reading
from mat_ros.hardware.wire import (
    COMMAND,
    KEEP,
    LEAVE,
    READ,
    RELEASE,
    DriveCommand,
    Receipt,
    read_command,
    write_answer,
    write_reading,
)

REST_S = 2.0  # longest ramp to the fallback before the driver itself ends
SILENCE = "no command came from the safety gate"
# The driver acts this part of a period before a silence is complete, since its own command must not come later.
HEADSTART = 1 / 4


@dataclass(frozen=True)
class Drive:
    """Describe a robot to its driver."""

    joints: tuple[Joint, ...]  # with the limits that the gate holds
    guard: GuardSettings
    period_ns: int


class Driving:
    """Compute what the driver writes to the robot: commands of the gate, or its own ones after a silence."""

    def __init__(self, drive: Drive, write: Callable[[Float], None], latch: StopLatch,
                 where: Callable[[], Float | None] = lambda: None) -> None:
        """Take the function that writes a command, and one that returns the measured positions (joint,) or None."""
        self.counts: Counter[str] = Counter()  # written, unwritten, refused, silences
        self.cause = ""  # why the driver has stopped the robot; empty while it obeys the gate
        self._drive, self._write, self._latch, self._where = drive, write, latch, where
        self._silence_ns = drive.guard.silence_ticks * drive.period_ns - round(HEADSTART * drive.period_ns)
        ranges = np.array([joint.upper - joint.lower for joint in drive.joints])
        self._near, self._outside = AGREE * ranges, max(AGREE, drive.guard.outside) * ranges
        settings = GuardSettings(hold_ticks=0, stop_ticks=0, blend_s=0.0, outside=drive.guard.outside)
        self._gate = Gate(drive.joints, drive.period_ns, settings)
        self._sequence = -1
        self._taken_ns: int | None = None  # when the hardware took the last command
        self._next_ns: int | None = None  # when the driver acts by itself
        self._kept = False  # the gate has asked for more time since its last command
        if (stop := latch.read()) is not None:
            self.cause = stop.cause

    @property
    def wake_ns(self) -> int | None:
        """Return the time at which `poll` has to be called; None before the first command, when nothing moves."""
        return self._next_ns

    def on_command(self, command: DriveCommand, now_ns: int) -> Receipt:
        """Take a command of the gate, and return whether the hardware took it."""
        sequence = command.sequence
        if command.values.shape != (len(self._drive.joints),) or not np.isfinite(command.values).all():
            return self._refuse(sequence, "the command is not one finite number per joint")
        if sequence <= self._sequence:
            return self._refuse(sequence, f"sequence {self._sequence} has come already")
        if self.cause:
            return Receipt(sequence, False, self.cause)
        if self._taken_ns is None or command.found.any():
            if trouble := self._misplaced(command):
                return self._refuse(sequence, trouble, misplaced=True)
            try:
                self._take_place(command)
            except Refused as error:
                return self._refuse(sequence, str(error), misplaced=True)
        self._sequence, self._kept = sequence, False
        reason = self._command(command.values, now_ns)
        self._next_ns = now_ns + self._silence_ns
        return Receipt(sequence, not reason, reason)

    def on_keep(self, now_ns: int) -> None:
        """Let the last command stand for two more periods, once: the gate runs, and its tick has no decision yet."""
        if self.cause or self._next_ns is None or self._kept:
            return
        self._kept = True
        self._next_ns = now_ns + self._silence_ns
        self._again()

    def _again(self) -> None:
        """Write the last command once more, for a drive that forgets commands after a while."""
        try:
            self._write(self._gate.last)
        except Exception:  # an adapter of the user may raise any error; the next command reports it
            self.counts["unwritten"] += 1

    def _take_place(self, command: DriveCommand) -> None:
        """Make the positions at which the gate has found joints the last commands of this driver."""
        if self._taken_ns is None:
            self._gate.activate(command.values)
        else:
            self._gate.settle(np.where(command.found, command.values, np.nan))

    def _misplaced(self, command: DriveCommand) -> str:
        """Return which joint is not at the position at which the gate has found it; empty when all are."""
        measured = self._where()
        if measured is None:
            return ""
        looked_at = np.isfinite(measured) & (command.found if self._taken_ns is not None else True)
        inside = self._gate.clip(measured)  # a command never lies where a joint stands outside its limits
        far = looked_at & ((np.abs(inside - command.values) > self._near)
                           | (np.abs(measured - inside) > self._outside))
        if not far.any():
            return ""
        k = int(np.flatnonzero(far)[0])
        return (f"joint {self._drive.joints[k].name}: expected a position of {command.values[k]:g}, "
                f"got {measured[k]:g}; the gate has to find the robot again")

    def _refuse(self, sequence: int, reason: str, misplaced: bool = False) -> Receipt:
        self.counts["refused"] += 1
        return Receipt(sequence, False, reason, misplaced)

    def poll(self, now_ns: int) -> None:
        """Command one step to the fallback if the gate has been silent for too long."""
        if self._next_ns is None or now_ns < self._next_ns:
            return
        if not self.cause:
            self._gate.stop()
        self._command(np.full(len(self._drive.joints), np.nan), now_ns)
        self._next_ns = now_ns + self._drive.period_ns
        if not self.cause:
            self.counts["silences"] += 1
            self.cause = SILENCE
            self._latch.write_aside(SILENCE)

    def release(self) -> None:
        """Obey the gate again, after an operator undid the stop. The next command states the robot's position."""
        self.cause, self._taken_ns, self._next_ns = "", None, None

    def close(self) -> None:
        """Wait until a latched stop is on disk."""
        self._latch.wait()

    def leave(self) -> None:
        """Expect no commands any more: the gate has brought the robot to its fallback."""
        self._taken_ns, self._next_ns = None, None

    def rest(self, sleep_s: Callable[[float], None] = time.sleep) -> None:
        """Move every joint to its fallback before the driver ends, unless the gate has done so."""
        if self._next_ns is None:
            return
        self._gate.stop()
        before = None
        for _ in range(int(REST_S * 1e9) // self._drive.period_ns + 1):
            self._command(np.full(len(self._drive.joints), np.nan), time.monotonic_ns())
            if before is not None and (self._gate.last == before).all():
                return
            before = self._gate.last
            sleep_s(self._drive.period_ns * 1e-9)

    def _command(self, command: Float, now_ns: int) -> str:
        """Write a command inside the limits. Return why the hardware did not take it; empty when it did."""
        elapsed_ns = self._drive.period_ns if self._taken_ns is None else now_ns - self._taken_ns
        applied = self._gate.apply(command, elapsed_ns=elapsed_ns).applied
        try:
            self._write(applied)
        except Exception as error:  # an adapter of the user may raise any error; the driver outlives it
            self._gate.not_taken()
            self.counts["unwritten"] += 1
            return f"the adapter does not write: {foreign(error)}"
        self._taken_ns = now_ns
        self.counts["written"] += 1
        return ""


def serve(address: Path, driving: Driving, robot: HardwareIO, ended: Callable[[], bool]) -> None:
    """Serve the gate and the observer at a local socket until `ended`; then bring the robot to its fallback."""
    gc.collect()
    gc.freeze()
    gc.disable()  # reference counts free all garbage of this loop, which makes no reference cycles
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door, selectors.DefaultSelector() as selector:
        door.bind(str(address))
        address.chmod(0o600)
        door.listen(8)
        selector.register(door, selectors.EVENT_READ, None)
        try:
            give_up_ns = None  # until then, the gate may bring the robot to its fallback after `ended`
            while give_up_ns is None or (driving.wake_ns is not None and time.monotonic_ns() < give_up_ns):
                if give_up_ns is None and ended():
                    give_up_ns = time.monotonic_ns() + int(REST_S * 1e9)
                wake_ns, now_ns = driving.wake_ns, time.monotonic_ns()
                wait_s = 0.2 if wake_ns is None else min(0.2, max(0, wake_ns - now_ns) * 1e-9)
                for key, _ in selector.select(wait_s):
                    if key.data is None:
                        guest, _address = door.accept()
                        guest.setblocking(False)
                        selector.register(guest, selectors.EVENT_READ, guest)
                    elif not _answer(key.data, driving, robot):
                        selector.unregister(key.data)
                        key.data.close()
                driving.poll(time.monotonic_ns())
            driving.rest()
        finally:
            robot.close()
            driving.close()
            address.unlink(missing_ok=True)


def _answer(guest: socket.socket, driving: Driving, robot: HardwareIO) -> bool:
    """Handle one message of a guest, and return whether the guest is still connected."""
    try:
        data = guest.recv(1 << 16)
        if not data:
            return False
        kind = data[:1]
        if kind == COMMAND:
            guest.send(write_answer(driving.on_command(read_command(data), time.monotonic_ns())))
        elif kind == KEEP:
            driving.on_keep(time.monotonic_ns())
        elif kind == READ:
            guest.send(write_reading(_read(robot)))
        elif kind == RELEASE:
            driving.release()
        elif kind == LEAVE:
            driving.leave()
    except BlockingIOError:
        driving.counts["unanswered"] += 1  # the guest does not read its answers
    except (ConnectionError, struct.error, ValueError):
        return False
    return True


def _read(robot: HardwareIO) -> Reading | str:
    """Return a reading of the robot, or a text that states why there is none."""
    try:
        reading = robot.read()
    except Exception as error:  # an adapter of the user may raise any error; the driver outlives it
        return f"the adapter does not read: {foreign(error)}"
    return reading if reading is not None else ""


