# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A drive of its own behind UDP that forgets its command after a while, and the adapter that sets how long."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from types import TracebackType

import numpy as np

from mat_ros.core.policy.manifest import Manifest
from mat_ros.hardware.io import Description, Float, Reading, description_of

PORT = "MAT_ROS_TEST_DRIVE"  # variable that holds the port of the drive
EXPIRE, COMMAND = b"E", b"C"


class Drive:
    """Hold the last command until the timeout; use this in a `with` block."""

    def __init__(self) -> None:
        self.timeout_s = 0.0  # 0: the adapter has set none
        self.effort = np.zeros(0)  # the last command while it is valid, then zeros
        self.commands = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Drive:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        self._socket.settimeout(0.005)
        came_s = time.monotonic()
        while not self._ended.is_set():
            try:
                data = self._socket.recv(1024)
            except TimeoutError:
                if self.timeout_s and time.monotonic() - came_s > self.timeout_s:
                    self.effort = np.zeros_like(self.effort)
                continue
            if data[:1] == EXPIRE:
                (self.timeout_s,) = struct.unpack("<d", data[1:])
            else:
                self.effort, came_s = np.frombuffer(data[1:]), time.monotonic()
                self.commands += 1


class Arm:
    """The adapter of the drive."""

    def __init__(self, manifest: Manifest) -> None:
        self._description, self._count = description_of(manifest), manifest.layout.signal_count
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", int(os.environ[PORT])))

    def expire_after(self, seconds: float) -> None:
        self._socket.send(EXPIRE + struct.pack("<d", seconds))

    def read(self) -> Reading:
        return Reading(np.zeros(self._count, np.float32), time.monotonic_ns())

    def write(self, command: Float) -> None:
        self._socket.send(COMMAND + command.tobytes())

    def describe(self) -> Description:
        return self._description

    def close(self) -> None:
        self._socket.close()
