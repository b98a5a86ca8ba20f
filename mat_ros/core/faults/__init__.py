# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Faults: what can break, when, how much, and who notices; one meaning in training and on the robot."""
