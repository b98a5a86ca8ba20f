# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Open checked engines as a backend, and verify them on the golden ticks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mat_ros.backends.golden import Verdict, verify
from mat_ros.backends.tensorrt_backend import TensorRTBackend
from mat_ros.backends.timing import time_backend
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle
from trt_engines.fingerprint import GRAPHS, Fingerprint, checked_plan, plan_path, write
from trt_engines.flavour import load_flavour
from trt_engines.machine import this_machine


def engines_folder(bundle: Bundle) -> Path:
    """Say where the engines of a bundle lie unless told otherwise: beside it, since they are made for one machine."""
    return bundle.folder.with_name(f"{bundle.folder.name}.engines")


def open_engines(bundle: Bundle, flavour_name: str, folder: Path | None = None) -> TensorRTBackend:
    """Open the engines of a bundle; whatever does not fit is refused before the library sees it."""
    folder = folder or engines_folder(bundle)
    flavour, machine = load_flavour(flavour_name), this_machine()
    encoder, step = (checked_plan(plan_path(folder, graph, flavour.name), bundle, flavour.version, machine)[0]
                     for graph in GRAPHS)
    return TensorRTBackend(bundle, flavour.module, flavour.name, encoder, step)


def verify_engines(bundle: Bundle, flavour_name: str, folder: Path | None = None) -> tuple[Verdict, list[Fingerprint]]:
    """Run all golden ticks, the whole chain of each, and note error and latency in the fingerprints."""
    folder = folder or engines_folder(bundle)
    backend = open_engines(bundle, flavour_name, folder)
    verdict = verify(backend, bundle)
    if not verdict.ok:
        raise Refused(f"engines in {folder}", f"the golden ticks within {bundle.manifest.tolerance:g}",
                      verdict.difference, "do not use them; build anew or choose the native backend")
    timing, version, machine = time_backend(backend, bundle), load_flavour(flavour_name).version, this_machine()
    marks = []
    for graph in GRAPHS:
        path = plan_path(folder, graph, flavour_name)
        mark = replace(checked_plan(path, bundle, version, machine)[1], max_error=verdict.max_error,
                       step_us_p50=timing.step.p50, step_us_p99=timing.step.p99)
        write(path, mark)
        marks.append(mark)
    return verdict, marks
