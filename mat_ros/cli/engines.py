# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros engines: build, verify and list TensorRT engines, as `trt_engines` does it."""

from __future__ import annotations

from trt_engines.__main__ import main, parser

__all__ = ["main", "parser"]
