# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Read the model of a robot, and write a folder with everything that trains, checks and drives this robot."""
