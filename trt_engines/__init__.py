# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Build and verify the TensorRT engines of a bundle offline; `mat_ros/backends/tensorrt_opening.py` opens engines.

This project has not run enterprise TensorRT.
"""
