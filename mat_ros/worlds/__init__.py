# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Simulate robots: one physics per robot, which training steps in batches and the runtime steps as hardware."""
