# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Reach robots: simulated robots, robots behind ros2_control or a Shadow Hand's controllers, and a fake for tests."""
