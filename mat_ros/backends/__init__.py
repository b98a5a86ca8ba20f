# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run the two graphs of a bundle with native C++, onnxruntime, torch or TensorRT behind the same three methods."""
