# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Request real-time priority for this process."""

from __future__ import annotations

import os


def request(priority: int) -> bool:
    """Put every thread of the process under SCHED_RR, and return whether the system permitted this."""
    if priority == 0:
        return False
    try:
        for thread in os.listdir("/proc/self/task"):  # DDS has threads of its own
            os.sched_setscheduler(int(thread), os.SCHED_RR, os.sched_param(priority))
    except OSError:
        return False
    return True
