# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Open TensorRT engines that `trt_engines` has built, once they are checked against the bundle and this machine."""
