# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros version: print the version alone, for scripts."""

from __future__ import annotations

import argparse

from mat_ros import __version__


def parser() -> argparse.ArgumentParser:
    """Declare that `mat-ros version` has no arguments."""
    return argparse.ArgumentParser(prog="mat-ros version", description=__doc__)


def main(arguments: list[str]) -> int:
    """Run `mat-ros version`."""
    parser().parse_args(arguments)
    print(__version__)
    return 0
