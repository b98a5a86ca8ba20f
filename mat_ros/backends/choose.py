# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Open a backend by name, or the fastest installed one that reproduces the golden ticks."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mat_ros.backends.backend import Backend
from mat_ros.backends.golden import require
from mat_ros.backends.native_library import LIBRARY
from mat_ros.core.errors import Missing, Refused
from mat_ros.core.policy.bundle import Bundle

AUTO_TICKS = 20  # golden ticks that an automatically chosen backend has to reproduce before it runs


def _native(bundle: Bundle) -> Backend:
    from mat_ros.backends.native_backend import NativeBackend

    return NativeBackend(bundle)


def _onnxruntime(bundle: Bundle) -> Backend:
    from mat_ros.backends.onnxruntime_backend import OnnxRuntimeBackend

    return OnnxRuntimeBackend(bundle)


def _torch(bundle: Bundle) -> Backend:
    from mat_ros.backends.torch_backend import TorchBackend

    return TorchBackend(bundle)


def _engines(flavour: str) -> Callable[[Bundle], Backend]:
    def open_checked(bundle: Bundle) -> Backend:
        try:  # by name: only who asks for an engine needs what opens it
            opening = importlib.import_module("trt_engines.opening")
        except ImportError as error:
            raise Missing(f"what opens engines ({error.name})", "install the whole of mat_ros") from error
        backend: Backend = opening.open_engines(bundle, flavour)
        return backend

    return open_checked


ENGINES = ("tensorrt", "tensorrt_rtx")  # opened when asked for by name, never chosen automatically
BACKENDS: Mapping[str, Callable[[Bundle], Backend]] = {  # fastest first
    "native": _native,
    "onnxruntime": _onnxruntime,
    "torch": _torch,
}


def installed() -> tuple[str, ...]:
    """List the backends that this environment can load, fastest first."""
    present = {"native": LIBRARY.exists()}
    return tuple(name for name in BACKENDS if present.get(name, importlib.util.find_spec(name) is not None))


@dataclass(frozen=True)
class Choice:
    """A backend, and why it was chosen."""

    backend: Backend
    reason: str


def open_backend(name: str, bundle: Bundle) -> Backend:
    """Open a backend by its name, or "auto"; it is not verified unless chosen automatically."""
    if name == "auto":
        return choose(bundle).backend
    if name in ENGINES:
        return _engines(name)(bundle)
    if name not in BACKENDS:
        raise Refused("backend", f"auto or one of {(*BACKENDS, *ENGINES)}", name, "choose one of them")
    return BACKENDS[name](bundle)


def choose(bundle: Bundle) -> Choice:
    """Take the fastest backend that is here and reproduces the golden ticks. An engine is never taken silently."""
    reasons = []
    for name in BACKENDS:
        try:
            backend = BACKENDS[name](bundle)
            require(backend, bundle, AUTO_TICKS)
        except (Missing, Refused) as error:
            reasons.append(f"{name}: {error}")
            continue
        passed = f"the fastest that reproduces {AUTO_TICKS} golden ticks"
        return Choice(backend, f"{name} ({passed})" + "".join(f"; not {reason}" for reason in reasons))
    raise Missing(f"a backend that can run {bundle.folder} ({'; '.join(reasons)})", "run `pip install mat_ros[onnx]`")
