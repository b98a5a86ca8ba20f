# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run sequence-model policies on robots, one decision per joint, inside a fixed time budget."""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import `Chain` and `Robot` when they are asked for: `mat_ros.core` alone must stay small."""
    if name in ("Chain", "Robot"):
        from mat_ros import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
