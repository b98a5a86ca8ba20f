# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""`python -m mat_ros.cli` is `mat-ros`."""

import sys

from mat_ros.cli.main import main

sys.exit(main())
