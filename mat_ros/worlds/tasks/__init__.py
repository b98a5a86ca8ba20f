# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The tasks that come with the package. `mat_ros/entry_points.ini` lists their names."""
