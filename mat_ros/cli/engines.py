# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros engines: build, verify and list TensorRT engines, as `trt_engines` does it."""

from __future__ import annotations

import argparse

from trt_engines import __main__ as engines


def make_parser() -> argparse.ArgumentParser:
    """Declare the arguments of `mat-ros engines`."""
    return engines.make_parser()


def main(arguments: list[str]) -> int:
    """Run `mat-ros engines`."""
    return engines.main(arguments)
