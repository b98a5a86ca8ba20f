# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Build, fingerprint, verify and open TensorRT engines of a bundle. Enterprise TensorRT was not run by this project."""
