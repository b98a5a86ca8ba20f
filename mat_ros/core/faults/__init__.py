# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Faults: plans, schedules, injection and detection, with the same meaning in training and on the robot."""
