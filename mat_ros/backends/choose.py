# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Open a backend by name, or open the fastest installed backend. No backend runs that differs from the golden ticks.

Each backend is imported only when it is opened, because its libraries are large or not installed.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoints, entry_points

from mat_ros.backends.backend import Backend
from mat_ros.backends.golden import require
from mat_ros.backends.native_library import LIBRARY
from mat_ros.backends.tensorrt_flavour import load_flavour
from mat_ros.core.errors import Missing, Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.shipped import install_command

GOLDEN_TICKS = 20  # golden ticks that a backend must reproduce before it runs
REGISTERED = "mat_ros.backend"  # group of the entry points under which a package registers a backend
Opener = Callable[[Bundle], Backend]


def _native(bundle: Bundle) -> Backend:
    from mat_ros.backends.native_backend import NativeBackend

    return NativeBackend(bundle)


def _onnxruntime(bundle: Bundle) -> Backend:
    from mat_ros.backends.onnxruntime_backend import OnnxRuntimeBackend

    return OnnxRuntimeBackend(bundle)


def _registered(name: str, bundle: Bundle) -> Backend:
    """Open a backend that another package has registered, because the runtime must not import training."""
    reason, remedy = "not registered", f"run {install_command('train')}"
    for entry in _entries(name):
        try:
            opener: Opener = entry.load()
            return opener(bundle)
        except ImportError as error:
            reason = str(error.name)
    raise Missing(f"the {name} backend ({reason})", remedy)


def _entries(name: str) -> EntryPoints:
    return entry_points(group=REGISTERED, name=name)


def _engines(flavour: str, bundle: Bundle) -> Backend:
    from mat_ros.backends.tensorrt_opening import open_engines

    return open_engines(bundle, flavour)


AUTOMATIC: Mapping[str, Opener] = {  # the candidates of "auto", fastest first
    "native": _native,
    "onnxruntime": _onnxruntime,
    "torch": partial(_registered, "torch"),
}
ENGINES: Mapping[str, Opener] = {name: partial(_engines, name) for name in ("tensorrt", "tensorrt_rtx")}
BACKENDS = ("auto", *AUTOMATIC, *ENGINES)  # all names that `open_backend` takes


def installed() -> tuple[str, ...]:
    """Return the names of the backends that this environment can load, fastest first."""
    present = {"native": LIBRARY.exists(), "onnxruntime": importlib.util.find_spec("onnxruntime") is not None,
               "torch": importlib.util.find_spec("torch") is not None and bool(_entries("torch"))}
    return tuple(name for name in AUTOMATIC if present[name])


def check_installed(name: str) -> None:
    """Refuse a backend that this environment cannot load, without loading a policy."""
    if name in ENGINES:
        load_flavour(name)
    elif name == "auto" and not installed():
        raise Missing("a backend", f"run {install_command('onnx')}")
    elif name in AUTOMATIC and name not in installed():
        remedy = {"native": "install g++, then compile it: run " + install_command(),
                  "onnxruntime": f"run {install_command('onnx')}"}.get(name, f"run {install_command('train')}")
        raise Missing(f"the {name} backend", f"{remedy}; or leave backend out, which takes the fastest that is here")


@dataclass(frozen=True)
class Choice:
    """Hold a backend and the reason for its choice."""

    backend: Backend
    reason: str


_ahead: dict[str, Backend] = {}  # by digest of the bundle


def open_ahead(name: str, bundle: Bundle) -> None:
    """Open and verify the native backend before a fork, so that each forked process has it at once.

    Other backends start threads, which forbid a fork.
    """
    if name in ("auto", "native") and "native" in installed():
        with contextlib.suppress(Missing, Refused):  # each process reports the reason itself
            _ahead[bundle.digest] = open_backend("native", bundle)


def open_backend(name: str, bundle: Bundle) -> Backend:
    """Open a backend by its name or "auto", and refuse it where it does not reproduce the golden ticks."""
    if name in ("auto", "native") and bundle.digest in _ahead:
        return _ahead.pop(bundle.digest)  # a second caller in this process needs a backend of its own
    backend = load_backend(name, bundle)
    if name != "auto":
        require(backend, bundle, GOLDEN_TICKS)
    return backend


def load_backend(name: str, bundle: Bundle) -> Backend:
    """Open a backend for a caller that compares it with the golden ticks by itself."""
    if name == "auto":
        return choose(bundle).backend
    if name not in BACKENDS:
        raise Refused("backend", f"one of {', '.join(BACKENDS)}", name, "choose one of them")
    return {**AUTOMATIC, **ENGINES}[name](bundle)


def choose(bundle: Bundle) -> Choice:
    """Choose the fastest installed backend that reproduces the golden ticks. "auto" never chooses a TensorRT engine."""
    reasons = []
    for name, opener in AUTOMATIC.items():
        try:
            backend = opener(bundle)
            require(backend, bundle, GOLDEN_TICKS)
        except (Missing, Refused) as error:
            reasons.append(f"{name}: {error}")
            continue
        passed = f"the fastest that reproduces {GOLDEN_TICKS} golden ticks"
        return Choice(backend, f"{name} ({passed})" + "".join(f"; not {reason}" for reason in reasons))
    raise Missing(f"a backend that can run {bundle.folder} ({'; '.join(reasons)})", f"run {install_command('onnx')}")
