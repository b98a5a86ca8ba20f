# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The tick: what happens between an observation and a command, without ROS, threads or a clock of its own."""
