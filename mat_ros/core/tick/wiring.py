# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Lay the slots of the chain over processes, and name the ends between which the tick's messages travel."""

from __future__ import annotations

from dataclasses import dataclass

from mat_ros.core.errors import Refused
from mat_ros.core.policy.manifest import Manifest

WIRINGS = ("per_joint", "per_finger", "per_agent", "central")
BATON_REACH = 2  # next nodes that hear a baton: one silent node is bridged without a redecision
ENCODER, SAFETY = "encoder", "safety"  # the nodes before and behind the chain


@dataclass(frozen=True)
class Span:
    """A chain node by name, and the slots that it owns."""

    name: str
    first: int
    stop: int


def spans(manifest: Manifest, wiring: str = "per_agent") -> tuple[Span, ...]:
    """Return the chain nodes of a wiring, in chain order.

    `per_agent` gives each slot a process, whatever an agent is; `per_joint` and `per_finger` are the same thing said of
    a policy whose agents are joints or fingers, and are refused for another. `central` puts all slots in one process.
    """
    names = [agent.name for agent in manifest.agents]
    if wiring == "central":
        return (Span("chain", 0, len(names)),)
    expected = {"per_joint": "joint", "per_finger": "finger"}.get(wiring)
    if expected and manifest.split != expected:
        raise Refused(f"wiring {wiring}", f"a policy whose agents are split by {expected}", manifest.split,
                      "use wiring:=per_agent, or a policy trained with that split")
    return tuple(Span(f"chain_{_node_name(name)}", slot, slot + 1) for slot, name in enumerate(names))


def _node_name(agent: str) -> str:
    """Turn an agent's name into a name that ROS allows for a node."""
    return "".join(c.lower() if c.isalnum() else "_" for c in agent)
