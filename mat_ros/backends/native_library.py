# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Find the compiled library of the native backend, and declare native/mat_ros_native.h in Python."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path

from mat_ros.core.errors import Missing

LIBRARY = Path(__file__).with_name("native") / "libmat_ros_native.so"
FloatPointer = ctypes.POINTER(ctypes.c_float)


class NetworkStruct(ctypes.Structure):
    """Declare the struct mat_ros_network."""

    _fields_ = [
        *[(name, ctypes.c_int) for name in ("encoder", "decoder", "bidirectional", "agents", "obs_dim", "act_dim",
                                            "width", "enc_dim", "blocks", "heads")],
        ("clip", ctypes.c_float),
        *[(name, FloatPointer) for name in ("mean", "std", "observed", "action_mask")],
    ]


@lru_cache(maxsize=1)
def native_library() -> ctypes.PyDLL:
    """Return the loaded library.

    A call of the library lasts microseconds and uses the one workspace of its backend. So a call keeps the
    interpreter's lock. Releasing the lock would cost more than it saves, and two threads could use one workspace.
    """
    if not LIBRARY.exists():
        raise Missing("the native backend", "install g++ and run `pip install -e .` to compile it")
    try:
        library = ctypes.PyDLL(str(LIBRARY))
    except OSError as error:
        raise Missing(f"a native backend for this machine ({error})", "run `pip install -e .` to compile it") from error
    address, size = ctypes.c_void_p, ctypes.c_size_t
    for name, result, arguments in (
        ("open", address, [ctypes.c_char_p, ctypes.c_char_p, size, ctypes.POINTER(NetworkStruct), ctypes.c_char_p,
                           ctypes.c_char_p, size]),
        ("close", None, [address]),
        ("paths", ctypes.c_char_p, []),
        ("path", ctypes.c_char_p, [address]),
        ("workspace", size, [address]),
        ("state_size", size, [address, ctypes.c_int]),
        ("encode", None, [address] * 5),
        ("decide", None, [address, address, ctypes.c_int, ctypes.c_int, *[address] * 5]),
    ):
        function = getattr(library, f"mat_ros_{name}")
        function.restype, function.argtypes = result, arguments
    return library


def instruction_sets() -> tuple[str, ...]:
    """Return the instruction sets that this machine can run, best first."""
    return tuple(native_library().mat_ros_paths().decode().split())
