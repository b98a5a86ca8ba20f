# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Train sequence policies in simulation and export them as bundles."""

import signal
import sys
from importlib.util import find_spec

if sys.argv[0] == "-m":  # for `python -m training.train` only
    if find_spec("torch") is None:
        sys.exit("the Python package 'torch' is missing; run `make setup`, then `. .venv/bin/activate`")
    # Imports take seconds. Ctrl-C then ends the program without a traceback, with the status of an interrupted one.
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
