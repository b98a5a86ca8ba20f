# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Load and launch a compiled kernel through the CUDA driver, without torch, TensorRT or the CUDA toolkit.

The kernels have run on an H200 (docs/results/gpu). Without a GPU, `Driver` raises one error, which a test checks.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from mat_ros.backends.backend import Float32
from mat_ros.core.errors import Missing, Refused

LIBRARY = "libcuda.so.1"
MAX_DYNAMIC_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
MULTIPROCESSORS, MAJOR, MINOR, SHARED_OPT_IN = 16, 75, 76, 97  # CU_DEVICE_ATTRIBUTE_*
Argument = int | ctypes.c_void_p


class Driver:
    """Hold one GPU and make its primary context current for the calling thread."""

    def __init__(self, device: int = 0) -> None:
        try:
            self._cuda = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise Missing("the CUDA driver", "install NVIDIA's driver, or choose the native backend") from error
        self._check(self._cuda.cuInit(0), "start the driver")
        self._device = ctypes.c_int()
        self._check(self._cuda.cuDeviceGet(ctypes.byref(self._device), device), f"find GPU {device}")
        context = ctypes.c_void_p()
        self._check(self._cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), self._device), "open a context")
        self._check(self._cuda.cuCtxSetCurrent(context), "use the context")
        self.multiprocessors = self.attribute(MULTIPROCESSORS)
        self.capability = (self.attribute(MAJOR), self.attribute(MINOR))
        self.shared_bytes = self.attribute(SHARED_OPT_IN)

    def attribute(self, number: int) -> int:
        """Return an attribute of the GPU."""
        value = ctypes.c_int()
        self._check(self._cuda.cuDeviceGetAttribute(ctypes.byref(value), number, self._device), "read an attribute")
        return value.value

    def kernel(self, code: bytes, name: str, shared_bytes: int) -> ctypes.c_void_p:
        """Load PTX or a cubin and return its kernel, with `shared_bytes` of dynamic shared memory per block."""
        if shared_bytes > self.shared_bytes:
            raise Refused(f"kernel {name}", f"at most {self.shared_bytes} bytes of shared memory on this GPU",
                          f"{shared_bytes}", "choose another backend")
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self._check(self._cuda.cuModuleLoadData(ctypes.byref(module), code + b"\0"), f"load the code of {name}")
        self._check(self._cuda.cuModuleGetFunction(ctypes.byref(function), module, name.encode()), f"find {name}")
        self._check(self._cuda.cuFuncSetAttribute(function, MAX_DYNAMIC_SHARED, shared_bytes), "raise shared memory")
        return function

    def allocate(self, floats: int) -> ctypes.c_void_p:
        """Return a pointer to new GPU memory for so many floats."""
        pointer = ctypes.c_void_p()
        size = ctypes.c_size_t(max(floats, 1) * 4)
        self._check(self._cuda.cuMemAlloc_v2(ctypes.byref(pointer), size), "reserve memory")
        return pointer

    def upload(self, pointer: ctypes.c_void_p, array: Float32) -> None:
        """Copy an array to the GPU."""
        array = np.ascontiguousarray(array, np.float32)
        address = ctypes.c_void_p(array.ctypes.data)
        self._check(self._cuda.cuMemcpyHtoD_v2(pointer, address, ctypes.c_size_t(array.nbytes)), "copy to the GPU")

    def download(self, pointer: ctypes.c_void_p, array: Float32) -> None:
        """Copy from the GPU into an array, after the earlier work on the GPU has ended."""
        address = ctypes.c_void_p(array.ctypes.data)
        self._check(self._cuda.cuMemcpyDtoH_v2(address, pointer, ctypes.c_size_t(array.nbytes)), "copy from the GPU")

    def launch(self, function: ctypes.c_void_p, blocks: int, threads: int, shared_bytes: int,
               arguments: Sequence[Argument]) -> None:
        """Start a kernel with pointers and 32-bit integers as arguments."""
        held = [argument if isinstance(argument, ctypes.c_void_p) else ctypes.c_int(argument) for argument in arguments]
        pointers = (ctypes.c_void_p * len(held))(*[ctypes.addressof(argument) for argument in held])
        grid, block = (blocks, 1, 1), (threads, 1, 1)
        self._check(self._cuda.cuLaunchKernel(function, *grid, *block, shared_bytes, None, pointers, None), "launch")

    def _check(self, status: int, what: str) -> None:
        if status == 0:
            return
        text = ctypes.c_char_p()
        self._cuda.cuGetErrorString(status, ctypes.byref(text))
        raise Refused("GPU", f"to {what}", (text.value or b"").decode() or f"error {status}",
                      "check `nvidia-smi`, or choose the native backend")
