# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run sequence-model policies on robots, one decision per joint, inside a fixed time budget."""

__version__ = "0.1.0"
