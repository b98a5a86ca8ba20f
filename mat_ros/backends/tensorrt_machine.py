# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Describe the machine that an engine depends on: GPU, driver, operating system."""

from __future__ import annotations

import ctypes
import platform
from dataclasses import dataclass

from mat_ros.backends.cuda_driver import LIBRARY, MAJOR, MINOR

NAME_LENGTH = 128


@dataclass(frozen=True)
class Machine:
    """Describe a machine that builds or runs an engine. Without a GPU, the fields of the GPU are empty."""

    system: str
    processor: str
    gpu: str = ""
    capability: str = ""  # compute capability, as in "9.0"
    driver_cuda: str = ""  # newest CUDA that the driver runs, as in "13.0"


def this_machine(device: int = 0) -> Machine:
    """Return a description of this machine; a missing GPU is not an error."""
    here = Machine(platform.system(), platform.machine())
    try:
        cuda = ctypes.CDLL(LIBRARY)
    except OSError:
        return here
    version, major, minor, handle = (ctypes.c_int() for _ in range(4))
    name = ctypes.create_string_buffer(NAME_LENGTH)
    if cuda.cuInit(0) or cuda.cuDeviceGet(ctypes.byref(handle), device):
        return here
    cuda.cuDriverGetVersion(ctypes.byref(version))
    cuda.cuDeviceGetName(name, NAME_LENGTH, handle)
    cuda.cuDeviceGetAttribute(ctypes.byref(major), MAJOR, handle)
    cuda.cuDeviceGetAttribute(ctypes.byref(minor), MINOR, handle)
    return Machine(here.system, here.processor, name.value.decode(), f"{major.value}.{minor.value}",
                   f"{version.value // 1000}.{version.value % 1000 // 10}")
