# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Open the engines of a bundle as a backend. A plan that does not fit is refused before a library loads it."""

from __future__ import annotations

from pathlib import Path

from mat_ros.backends.tensorrt_backend import TensorRTBackend
from mat_ros.backends.tensorrt_fingerprint import GRAPHS, checked_plan, plan_path
from mat_ros.backends.tensorrt_flavour import load_flavour
from mat_ros.backends.tensorrt_machine import this_machine
from mat_ros.core.policy.bundle import Bundle


def engines_folder(bundle: Bundle) -> Path:
    """Return the default folder of a bundle's engines: beside the bundle, since engines are made for one machine."""
    return bundle.folder.with_name(f"{bundle.folder.name}.engines")


def open_engines(bundle: Bundle, flavour_name: str, folder: Path | None = None) -> TensorRTBackend:
    """Check the engines of a bundle against the bundle, the library and this machine, then open them."""
    folder = folder or engines_folder(bundle)
    flavour, machine = load_flavour(flavour_name), this_machine()
    encoder, step = (checked_plan(plan_path(folder, graph, flavour.name), bundle, flavour.version, machine)[0]
                     for graph in GRAPHS)
    return TensorRTBackend(bundle, flavour.module, flavour.name, encoder, step)
