# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Measure what is the host's and not the graph's: time that it takes from this machine, and how late it wakes threads.

On a virtual machine a core can stand still for milliseconds. A reader of a benchmark has to see such stalls beside its
figures.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import numpy as np

HOPS = 400  # messages from one thread to the other and back


def steal_s() -> float:
    """Return the time that the host has taken from all cores since the start of the machine."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()
    return int(fields[8]) / os.sysconf("SC_CLK_TCK")


def longest_gap_ms(seconds: float) -> float:
    """Return the longest time between two turns of a loop that does nothing else for some seconds."""
    longest, before, end = 0, time.monotonic_ns(), time.monotonic_ns() + round(seconds * 1e9)
    while before < end:
        now = time.monotonic_ns()
        longest, before = max(longest, now - before), now
    return longest * 1e-6


def wake_us() -> float:
    """Return the time from the end of a send until a waiting thread on an idle core runs, in the median.

    Two threads send a datagram to and fro. What a hop takes longer than both threads compute is the time to wake one.
    """
    ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for end in ends:
        end.bind(("127.0.0.1", 0))
    to = [ends[1].getsockname(), ends[0].getsockname()]
    used_ns = [0, 0]

    def answer() -> None:
        begun = time.thread_time_ns()
        for _ in range(HOPS):
            ends[1].sendto(ends[1].recv(64), to[1])
        used_ns[1] = time.thread_time_ns() - begun

    other = threading.Thread(target=answer)
    other.start()
    begun, hops = time.thread_time_ns(), []
    for _ in range(HOPS):
        start = time.monotonic_ns()
        ends[0].sendto(b"hop", to[0])
        ends[0].recv(64)
        hops.append((time.monotonic_ns() - start) / 2)
    used_ns[0] = time.thread_time_ns() - begun
    other.join()
    for end in ends:
        end.close()
    return float(max(np.median(hops) - sum(used_ns) / (2 * HOPS), 0.0)) * 1e-3
