# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Name everything that can break in a deployment: joints, readings, messages and nodes."""

from __future__ import annotations

from pathlib import Path

from mat_ros.core import shipped
from mat_ros.core.fault_file import load_plan
from mat_ros.core.faults import NO_FAULTS, Plan, Targets
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.tick.wiring import BATON_REACH, ENCODER, SAFETY, spans


def targets(manifest: Manifest, wiring: str = "per_agent") -> Targets:
    """Name what can break when this policy runs in this wiring."""
    chain = [span.name for span in spans(manifest, wiring)]
    batons = [f"{sender}->{receiver}" for k, sender in enumerate(chain)
              for receiver in chain[k + 1:k + 1 + BATON_REACH]]
    return Targets(
        actuator=tuple(joint.name for joint in manifest.joints),
        sensor=tuple(f"{term.name}/{element}" for term in manifest.layout.terms for element in term.elements),
        message=(*(f"{ENCODER}->{name}" for name in chain), *batons, *(f"{name}->{SAFETY}" for name in chain)),
        node=(ENCODER, *chain, SAFETY),
    )


def find_plan(name: str, manifest: Manifest, wiring: str = "per_agent") -> Plan:
    """Read a fault plan: a shipped one by name, or a file; empty: nothing breaks."""
    if not name:
        return NO_FAULTS
    return load_plan(Path(shipped.config_file("faults", name)), manifest.period_ns, targets(manifest, wiring))
