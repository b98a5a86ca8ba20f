# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Hold the ROS 2 nodes: thin shells around `mat_ros.core`, started with `python -m mat_ros.nodes <executable>`."""
