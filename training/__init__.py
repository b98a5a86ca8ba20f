# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Train sequence policies in simulation and export them as bundles."""

import sys
from importlib.util import find_spec

if sys.argv[0] == "-m" and find_spec("torch") is None:  # for `python -m training.train` only
    sys.exit("the Python package 'torch' is missing; run `make setup`, then `. .venv/bin/activate`")
