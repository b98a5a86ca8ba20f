# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Show the work of a chain in a live table and on pages that need neither a network nor a script."""
