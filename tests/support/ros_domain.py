# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Give a process of the tests a ROS domain that no other one on this machine has."""

from __future__ import annotations

import random
import socket
import sys
from dataclasses import dataclass

DOMAINS = range(1, 87)  # above 101 DDS ports may meet ephemeral ones; from 87 on our benchmarks have theirs


@dataclass(frozen=True)
class Domain:
    """A domain, which is free again once its socket is closed, as it is when the process ends."""

    number: int
    socket: socket.socket | None


def claim() -> Domain:
    """Claim a domain that is free."""
    for number in random.SystemRandom().sample(DOMAINS, len(DOMAINS)):
        if sys.platform != "linux":  # no abstract sockets: only chance keeps two runs apart
            return Domain(number, None)
        held = socket.socket(socket.AF_UNIX)
        try:
            held.bind(f"\0mat_ros/tests/domain {number}")
        except OSError:
            held.close()
        else:
            return Domain(number, held)
    raise RuntimeError(f"expected a free ROS domain among {DOMAINS}, got none; end other runs of the tests")
