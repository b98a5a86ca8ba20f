# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Show what the chain does: a live table, and pages that need neither a network nor a script."""
