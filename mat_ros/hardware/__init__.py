# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Reach robots: simulated ones, those behind ros2_control or a Shadow Hand's controllers, and one for tests."""
