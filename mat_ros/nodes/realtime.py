# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Request real-time priority for this process, and keep its memory in RAM."""

from __future__ import annotations

import ctypes
import os

MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4  # of sys/mman.h
# The driver and the gate go before the other processes. Otherwise a node that starts again, and all the nodes that then
# find it, could delay a command by their time slices of 100 ms.
GATE_AHEAD, DRIVER_AHEAD = 1, 2
HIGHEST = 99 - DRIVER_AHEAD  # priority of a graph
REFUSED = ("realtime: expected SCHED_RR and locked memory, got at most one of them; raise the limits rtprio and "
           "memlock of this user, or leave realtime out")


def request(priority: int) -> bool:
    """Lock the memory of the process and put all its threads under SCHED_RR. Return whether the system permitted both.

    A page is locked once the process has touched it. To lock every page at once would copy all that the process shares
    with its parent: 165 MB and 0.1 to 0.6 s for a forked node, which delay the ticks of all other nodes.
    """
    if priority == 0:
        return False
    if ctypes.CDLL(None).mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0:
        return False
    try:
        for thread in os.listdir("/proc/self/task"):  # DDS has threads of its own
            os.sched_setscheduler(int(thread), os.SCHED_RR, os.sched_param(priority))
    except OSError:
        return False
    return True
