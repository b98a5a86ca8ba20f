# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A forked node that asks for real-time priority keeps sharing its parent's memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

MEGABYTE = 1 << 20
BALLAST_MB = 100
PROGRAM = f"""
import json, os
from mat_ros.nodes import realtime

ballast = bytearray(os.urandom({MEGABYTE})) * {BALLAST_MB}

def private_mb():
    rows = dict(line.split(":") for line in open("/proc/self/smaps_rollup").readlines()[1:])
    return int(rows["Private_Dirty"].split()[0]) / 1024

if child := os.fork():
    os.waitpid(child, 0)
else:
    permitted = realtime.request(1)
    print(json.dumps([permitted, os.sched_getscheduler(0) == os.SCHED_RR, private_mb()]), flush=True)
    os._exit(0)
"""


def test_a_forked_process_gets_its_priority_without_a_copy_of_what_it_shares():
    permitted, round_robin, private_mb = json.loads(
        subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, timeout=60).stdout)
    if not permitted:
        pytest.skip("needs a user who may lock memory and set real-time priorities")
    assert round_robin
    assert private_mb < BALLAST_MB / 2
    assert os.sched_getscheduler(0) != os.SCHED_RR
