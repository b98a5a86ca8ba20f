# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Compare engines with the golden ticks of their bundle, and write error and latency into their fingerprints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mat_ros.backends.golden import Verdict, verify
from mat_ros.backends.tensorrt_fingerprint import GRAPHS, Fingerprint, checked_plan, plan_path, write
from mat_ros.backends.tensorrt_flavour import load_flavour
from mat_ros.backends.tensorrt_machine import this_machine
from mat_ros.backends.tensorrt_opening import engines_folder, open_engines
from mat_ros.backends.timing import time_backend
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle


def verify_engines(bundle: Bundle, flavour_name: str, folder: Path | None = None) -> tuple[Verdict, list[Fingerprint]]:
    """Run the whole chain of all golden ticks, and write error and latency into the fingerprints."""
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
