# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Build and verify TensorRT engines of a bundle, offline; `mat_ros/backends/tensorrt_opening.py` opens them later.

Enterprise TensorRT was not run by this project.
"""
