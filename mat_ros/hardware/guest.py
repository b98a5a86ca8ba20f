# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Reach a robot through its driver: the safety gate sends commands, and the observer reads measurements."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.errors import Missing, Refused
from mat_ros.core.policy.manifest import Manifest
from mat_ros.hardware.io import Description, Float, Reading, description_of
from mat_ros.hardware.wire import (
    KEEP,
    LEAVE,
    READ,
    RELEASE,
    DriveCommand,
    Receipt,
    read_answer,
    read_reading,
    write_command,
)

PATIENCE_S = 0.05  # longest wait for a reading; the driver answers within microseconds unless its adapter is slow


def driver_address(namespace: str) -> Path:
    """Return the path of the socket of a graph's driver, in a folder that belongs to this user alone."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(runtime) / "mat_ros" if runtime else Path(tempfile.gettempdir()) / f"mat_ros-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise Refused(f"folder {folder}", "one that belongs to this user alone",
                      f"user {found.st_uid}, mode {found.st_mode & 0o777:o}", "remove it, or set XDG_RUNTIME_DIR")
    plain = "".join(c if c.isalnum() else "_" for c in namespace.strip("/"))
    return folder / f"driver_{os.environ.get('ROS_DOMAIN_ID', '0')}_{plain}"


class Guest:
    """Talk to the driver. A command is sent at once; its answer is read before the next command."""

    def __init__(self, address: Path) -> None:
        self._address = address
        self._socket: socket.socket | None = None
        self._sequence = 0
        self._asked: int | None = None  # sequence of the command whose answer was not read yet

    def connect(self, patience_s: float = 0.0) -> None:
        """Connect to the driver, which may still be starting."""
        give_up = time.monotonic() + patience_s
        while True:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                made.connect(str(self._address))
            except OSError as error:
                made.close()
                if time.monotonic() >= give_up:
                    raise Missing(f"the driver at {self._address} ({error.strerror})",
                                  "start it, or let the launch file do so") from error
                time.sleep(0.02)
                continue
            self._socket, self._asked = made, None
            return

    def command(self, values: Float, found: NDArray[np.bool_] | None = None) -> None:
        """Send a command (joint,). `found` (joint,) marks joints that were found elsewhere, at these values."""
        self._sequence = max(self._sequence + 1, time.monotonic_ns())  # greater than those of an earlier gate
        known = np.zeros(values.shape, dtype=bool) if found is None else found
        self._send(write_command(DriveCommand(self._sequence, values, known)))
        self._asked = self._sequence

    def keep(self) -> None:
        """Tell the driver that the gate runs and waits for decisions, so that the last command stays valid."""
        self._send(KEEP)

    @property
    def waits(self) -> bool:
        """Return whether the answer to the last command was not read yet."""
        return self._asked is not None

    def answer(self) -> Receipt | None:
        """Return the answer to the last command; None when it has not come yet, or was read already."""
        while self._asked is not None:
            data = self._receive(0.0)
            if data is None:
                return None
            answer = read_answer(data)
            if answer.sequence == self._asked:
                self._asked = None
                return answer
        return None

    def read(self, patience_s: float = PATIENCE_S) -> Reading | str:
        """Return a reading of the robot, or a text that states why there is none within `patience_s`."""
        while self._receive(0.0) is not None:
            pass  # the answer to an earlier question, which came too late
        self._send(READ)
        data = self._receive(patience_s)
        return read_reading(data) if data is not None else "the driver does not answer"

    def release(self) -> None:
        """Tell the driver that an operator has undone the stop."""
        self._send(RELEASE)

    def let_go(self) -> None:
        """Tell the driver that the robot is at its fallback, so that it expects no more commands."""
        with contextlib.suppress(Missing):
            self._send(LEAVE)

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, data: bytes) -> None:
        if self._socket is None:
            self.connect()
        assert self._socket is not None
        try:
            self._socket.send(data, socket.MSG_DONTWAIT)
        except OSError as error:
            self.close()
            raise Missing("an answer of the driver", "see whether its process still runs") from error

    def _receive(self, patience_s: float) -> bytes | None:
        if self._socket is None:
            return None
        self._socket.settimeout(patience_s or None)
        try:
            data = self._socket.recv(1 << 16, 0 if patience_s else socket.MSG_DONTWAIT)
        except (BlockingIOError, TimeoutError):
            return None
        except OSError as error:
            self.close()
            raise Missing("an answer of the driver", "see whether its process still runs") from error
        if not data:
            self.close()
            raise Missing("an answer of the driver", "see whether its process still runs")
        return data


class DrivenRobot:
    """Observe a robot whose driver owns the adapter."""

    def __init__(self, manifest: Manifest, address: Path) -> None:
        self._description, self._guest, self._trouble = description_of(manifest), Guest(address), ""
        self._patience_s = min(PATIENCE_S, manifest.period_ns * 0.5e-9)  # a longer wait would cost the next tick too

    def read(self) -> Reading | None:
        """Return a reading of the driver; None when there is none."""
        try:
            found = self._guest.read(self._patience_s)
        except Missing as error:
            found = str(error)
        if isinstance(found, str):
            self._trouble = found
            return None
        self._trouble = ""
        return found

    def write(self, command: Float) -> None:
        """Refuse every command: only the safety gate may send one."""
        raise Refused("command", "one of the safety gate", "one of an observer", "leave commanding to the gate")

    def listen(self) -> None:
        """Do nothing: the driver receives the measurements."""

    def missing(self) -> str:
        """Return why there is no reading; empty when there is one."""
        return self._trouble

    def describe(self) -> Description:
        """Return the description of the robot."""
        return self._description

    def close(self) -> None:
        """Close the connection."""
        self._guest.close()
