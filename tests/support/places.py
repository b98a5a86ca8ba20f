# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Where tests find the checkout, the golden bundles, and the programs that they start."""

from pathlib import Path

SUPPORT = Path(__file__).resolve().parent
TESTS = SUPPORT.parent
ROOT = TESTS.parent
BUNDLES = TESTS / "golden" / "bundles"
