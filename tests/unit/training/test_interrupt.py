# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C while a training command imports ends it as a shell expects, without a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.places import ROOT

TORCH = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n"


def test_ctrl_c_while_torch_is_imported_leaves_no_traceback(tmp_path: Path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(TORCH)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = subprocess.run([sys.executable, "-m", "training.train", "--help"], env=environment, capture_output=True,
                          text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
