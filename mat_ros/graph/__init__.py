# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Describe a deployment as data, and start, connect and supervise its processes."""
