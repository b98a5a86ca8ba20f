# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Find the adapter of a robot by name."""

from __future__ import annotations

from typing import Any

from mat_ros.core.manifest import Manifest
from mat_ros.hardware.io import HardwareIO

ADAPTERS = ("sim", "ros2_control", "trajectory", "shadow", "fake")


def open_hardware(name: str, node: Any, manifest: Manifest, robot: str) -> HardwareIO | None:
    """Open an adapter; None where the robot is simulated by a node of the graph and hears what is applied."""
    if name == "sim":
        return None
    from mat_ros.hardware.fake import FakeBus

    return FakeBus(manifest)
