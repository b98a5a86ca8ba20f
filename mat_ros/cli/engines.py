# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros engines: build, verify and list TensorRT engines."""

from __future__ import annotations

import importlib


def main(arguments: list[str]) -> int:
    """Hand over to trt_engines, by name: only who asks for an engine needs it."""
    status: int = importlib.import_module("trt_engines.__main__").main(arguments)
    return status
