# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Hold the pure logic of the runtime: numpy only, no ROS, no torch, no simulator."""
