# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Lay the slots of the chain over processes, and name the nodes that send and receive the messages of a tick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mat_ros.core.errors import Refused
from mat_ros.core.policy.manifest import Manifest

WIRINGS = ("per_joint", "per_finger", "per_agent", "central")
BATON_REACH = 2  # next nodes that receive a baton; with 2, the chain bridges one silent node without a redecision
ENCODER, SAFETY = "encoder", "safety"  # the nodes before and behind the chain


@dataclass(frozen=True)
class Span:
    """Name a chain node and the slots first .. stop-1 that the node owns."""

    name: str
    first: int
    stop: int


def spans(manifest: Manifest, wiring: str = "per_agent") -> tuple[Span, ...]:
    """Return the chain nodes of a wiring, in chain order.

    `per_agent` puts each slot in a process of its own, whatever an agent is. `per_joint` and `per_finger` do the same,
    but only for a policy whose agents are joints or fingers; they refuse other policies. `central` puts all slots in
    one process.
    """
    names = [agent.name for agent in manifest.agents]
    if wiring == "central":
        return (Span("chain", 0, len(names)),)
    expected = {"per_joint": "joint", "per_finger": "finger"}.get(wiring)
    if expected and manifest.split != expected:
        raise Refused(f"wiring {wiring}", f"a policy whose agents are split by {expected}", manifest.split,
                      "use wiring:=per_agent, or a policy trained with that split")
    return tuple(Span(name, slot, slot + 1) for slot, name in enumerate(_node_names(names)))


def _node_names(agents: Sequence[str]) -> list[str]:
    """Return a name for the node of each agent, in characters that ROS allows. Agents may differ in other ones only."""
    found: list[str] = []
    for agent in agents:
        name = plain = "chain_" + "".join(c.lower() if c.isascii() and c.isalnum() else "_" for c in agent)
        number = 2
        while name in found:
            name, number = f"{plain}_{number}", number + 1
        found.append(name)
    return found
