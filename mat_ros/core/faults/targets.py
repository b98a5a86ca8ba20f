# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""List everything that can break in a deployment, and find the fault plan by its name."""

from __future__ import annotations

from pathlib import Path

from mat_ros.core import shipped
from mat_ros.core.errors import Refused
from mat_ros.core.faults.plan_file import load_plan
from mat_ros.core.faults.schedule import NO_FAULTS, Fault, Plan, Targets
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.tick.wiring import BATON_REACH, ENCODER, SAFETY, spans


def targets(manifest: Manifest, wiring: str = "per_agent") -> Targets:
    """Return the names that can break when this policy runs in this wiring."""
    chain = [span.name for span in spans(manifest, wiring)]
    batons = [f"{sender}->{receiver}" for k, sender in enumerate(chain)
              for receiver in chain[k + 1:k + 1 + BATON_REACH]]
    return Targets(
        actuator=tuple(joint.name for joint in manifest.joints),
        sensor=tuple(f"{term.name}/{element}" for term in manifest.layout.terms for element in term.elements),
        message=(*(f"{ENCODER}->{name}" for name in chain), *batons, *(f"{name}->{SAFETY}" for name in chain)),
        node=(ENCODER, *chain, SAFETY),
    )


def find_plan(name: str, period_ns: int, targets: Targets) -> Plan:
    """Return a fault plan: a YAML file, a shipped plan, or `joint:kind` for one broken joint; empty: no fault."""
    if not name:
        return NO_FAULTS
    if name in targets.actuator:
        return Plan(name, 0, (Fault(name, "actuator", "off", name, 1.0, 0),))
    joint, _, kind = name.rpartition(":")
    if joint in targets.actuator:
        return Plan(name, 0, (Fault(name, "actuator", kind, joint, 1.0, 0),))
    known = shipped.config_names("faults")
    if name not in known and not Path(name).is_file():
        raise Refused("fault plan", f"a file, `joint:kind`, or one of {known}", name, "correct the name")
    return load_plan(shipped.config_file("faults", name) if name in known else Path(name), period_ns, targets)
