# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A command that takes long tells what it does and how much is left; a quick one tells nothing."""

import io
import threading
import time

from mat_ros.core.progress import StepProgress


def test_a_long_step_is_named_with_what_is_left():
    output = io.StringIO()
    with StepProgress("check", 3, every_s=0.02, output=output) as progress:
        progress.step("load")
        progress.step("run native")
        give_up = time.monotonic() + 10.0
        while "1 of 3 steps are done; now run native\n" not in output.getvalue() and time.monotonic() < give_up:
            time.sleep(0.01)
    assert "check: 0:00  1 of 3 steps are done; now run native\n" in output.getvalue()


def test_a_quick_command_tells_nothing_and_leaves_no_thread():
    before, output = threading.active_count(), io.StringIO()
    with StepProgress("check", 1, output=output) as progress:
        progress.step("load")
    assert output.getvalue() == "" and threading.active_count() == before
