# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Move an arm of three servos behind a box that speaks UDP: the motion, the box, and the adapter for mat_ros."""

from __future__ import annotations

import os
import socket
import struct
import sys
import time
from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.robot.observe import Term
from mat_ros.hardware.io import Description, Reading, check_command, description_of

JOINTS = ("shoulder", "elbow", "wrist")
LINKS_M = np.array([0.4, 0.3, 0.2])
START_RAD = np.zeros(len(JOINTS))  # angles of the arm when the box starts
SPEED_RAD = 0.08  # angle that a servo turns in one period: `rate` / `rate_hz` of arm.yaml
TERMS = (Term("joint_position", "rad", JOINTS), Term("target", "m", ("x", "y")))
BOX = ("127.0.0.1", int(os.environ.get("ARM_PORT", "47150")))
STATE = struct.Struct(f"<{len(JOINTS) + 2}f")  # angles and target
COMMAND = struct.Struct(f"<{len(JOINTS)}f")  # wanted angles

Float = NDArray[np.float64]


def turn(angles: Float, wanted: Float) -> Float:
    """Return the angles (..., joint) after the servos have turned for one period."""
    return angles + np.clip(wanted - angles, -SPEED_RAD, SPEED_RAD)


def fingertip(angles: Float) -> Float:
    """Return the position (..., 2) of the fingertip, in m."""
    total = np.cumsum(angles, axis=-1)
    return np.stack([(LINKS_M * np.cos(total)).sum(-1), (LINKS_M * np.sin(total)).sum(-1)], axis=-1)


class Arm:
    """Describe and reach this arm for mat_ros. In a graph, the driver makes the only adapter."""

    def __init__(self, manifest: Manifest) -> None:
        self._description = description_of(manifest)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(BOX)
        self._socket.settimeout(0.005)

    def read(self) -> Reading | None:
        """Return the box's state, or None without an answer in time: old angles must never look fresh."""
        try:
            self._socket.send(b"state")
            state = STATE.unpack(self._socket.recv(64))
        except (OSError, struct.error):
            return None
        return Reading(np.array(state, np.float32), time.monotonic_ns())

    def write(self, command: Float) -> None:
        """Send wanted angles in rad. A missing box raises nothing here, since `read` returns None then."""
        check_command(command, self._description)
        with suppress(ConnectionError):
            self._socket.send(COMMAND.pack(*command))

    def describe(self) -> Description:
        """Return the arm's joints. A policy of other joints, or in another order, is refused."""
        return replace(self._description, joints=JOINTS)

    def close(self) -> None:
        """Close the connection to the box."""
        self._socket.close()


def serve(target: tuple[float, float]) -> None:
    """Run the box: hold the arm's state, turn the servos at each command, answer each request for the state."""
    angles = START_RAD
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as box:
        try:
            box.bind(BOX)
        except OSError as error:
            sys.exit(f"box: expected port {BOX[1]} free, got {error.strerror}; end the other box, or set ARM_PORT")
        print("box ready", flush=True)
        while True:
            message, sender = box.recvfrom(64)
            if message == b"state":
                box.sendto(STATE.pack(*angles, *target), sender)
            elif len(message) == COMMAND.size:
                angles = turn(angles, np.array(COMMAND.unpack(message)))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("expected the target's x and y in m, as in: python arm.py 0.5 0.3")
    try:
        target = float(sys.argv[1]), float(sys.argv[2])
    except ValueError as error:
        sys.exit(f"expected the target's x and y in m, got {error}")
    with suppress(KeyboardInterrupt):
        serve(target)
