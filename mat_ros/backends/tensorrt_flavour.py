# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Find the two libraries that have the same API: enterprise TensorRT, and TensorRT for RTX."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from mat_ros.core.errors import Missing, Refused
from mat_ros.core.shipped import install_command

MODULES = {  # flavour -> Python modules that may contain its bindings
    "tensorrt": ("tensorrt", "tensorrt_bindings"),
    "tensorrt_rtx": ("tensorrt_rtx_bindings", "tensorrt_rtx"),
}
REMEDIES = {
    "tensorrt": "install NVIDIA's packages of TensorRT 10.3 to 11, since the wheels on PyPI lack the libraries",
    "tensorrt_rtx": f"run {install_command('rtx')}",
}


@dataclass(frozen=True)
class Flavour:
    """Hold one loaded library."""

    name: str
    module: Any
    version: str


def load_flavour(name: str) -> Flavour:
    """Load a flavour by name."""
    if name not in MODULES:
        raise Refused("flavour", f"one of {tuple(MODULES)}", name, "choose one of them")
    reasons = []
    for module_name in MODULES[name]:
        try:
            module = importlib.import_module(module_name)
            return Flavour(name, module, str(module.__version__))
        except (ImportError, AttributeError) as error:  # bindings without their library import as an empty module
            reasons.append(f"{module_name}: {error}")
    raise Missing(f"{name} ({'; '.join(reasons)})", REMEDIES[name])


def present() -> list[Flavour]:
    """Return the installed flavours."""
    found = []
    for name in MODULES:
        try:
            found.append(load_flavour(name))
        except Missing:
            continue
    return found
