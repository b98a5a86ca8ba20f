# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings: write ticks, read them back, and decide them again."""
