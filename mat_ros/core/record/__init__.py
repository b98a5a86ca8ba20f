# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings: written tick by tick, read back, and decided again."""
