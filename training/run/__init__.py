# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""What one run of training is made of: its settings, its processes, what it collects and how that is scaled."""
