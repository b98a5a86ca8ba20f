# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Request real-time priority for this process, and keep its memory in RAM."""

from __future__ import annotations

import ctypes
import os

MCL_CURRENT, MCL_FUTURE = 1, 2  # of sys/mman.h
REFUSED = ("realtime: expected SCHED_RR and locked memory, got at most one of them; raise the limits rtprio and "
           "memlock of this user, or leave realtime out")


def request(priority: int) -> bool:
    """Put every thread of the process under SCHED_RR and lock its memory. Return whether the system permitted both."""
    if priority == 0:
        return False
    try:
        for thread in os.listdir("/proc/self/task"):  # DDS has threads of its own
            os.sched_setscheduler(int(thread), os.SCHED_RR, os.sched_param(priority))
    except OSError:
        return False
    return ctypes.CDLL(None).mlockall(MCL_CURRENT | MCL_FUTURE) == 0  # a page that is read from disk delays a tick
