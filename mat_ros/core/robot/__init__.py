# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The robot in names and units: its joints, its description, and its observations."""
