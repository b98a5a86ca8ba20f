# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The tick: the way from an observation to a command, without ROS, threads or a clock."""
