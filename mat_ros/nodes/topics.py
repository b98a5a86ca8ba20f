# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""List every topic and service of a graph with its type and quality of service: the only place where these stand.

Names are relative: a graph lives in its namespace. Everything is reliable: with best effort a single lost message costs
a joint its tick, and measured on the loopback it gains nothing that a process switch does not hide. Nothing is kept
longer than it is worth: an old tick is never applied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock

from mat_ros.msg import (
    Applied,
    Baton,
    ChainStatus,
    Decision,
    Encoding,
    FaultState,
    Injection,
    NodeDescriptor,
    Observation,
    OverrideSet,
)
from mat_ros.srv import ClearFaults, InjectFault, ResetWorld, Resume


@dataclass(frozen=True)
class Topic:
    """One kind of message on its way."""

    name: str
    type: Any
    depth: int  # messages kept, by a reader for all its writers together
    latched: bool = False  # a reader that comes late still gets the last one of each writer

    @property
    def qos(self) -> QoSProfile:
        """Return the quality of service of both ends."""
        durability = DurabilityPolicy.TRANSIENT_LOCAL if self.latched else DurabilityPolicy.VOLATILE
        return QoSProfile(depth=self.depth, reliability=ReliabilityPolicy.RELIABLE, durability=durability)

    @property
    def best_effort(self) -> QoSProfile:
        """Return the quality of a reader that asks for nothing twice; every writer offers more and so fits."""
        return QoSProfile(depth=self.depth, reliability=ReliabilityPolicy.BEST_EFFORT)


OBSERVATION = Topic("observation", Observation, 2)  # sim | observer -> encoder, safety, checker
ENCODING = Topic("encoding", Encoding, 2)  # encoder -> every chain node
DECISION = Topic("decision", Decision, 256)  # every chain node -> safety; deep, since all of them write at once
APPLIED = Topic("applied", Applied, 4)  # safety -> sim, checker, recorder
DESCRIPTOR = Topic("descriptor", NodeDescriptor, 256, latched=True)  # every node -> supervisor
STATUS = Topic("status", ChainStatus, 1, latched=True)  # supervisor -> whoever looks
DIAGNOSTICS = Topic("/diagnostics", DiagnosticArray, 256)  # every node -> supervisor, and ROS's own tools
OVERRIDES = Topic("overrides", OverrideSet, 1, latched=True)  # detector -> every chain node, checker, recorder
INJECTION = Topic("injection", Injection, 1)  # injector -> sim and the receiving ends of broken messages
CLOCK = Topic("/clock", Clock, 1)  # sim -> whoever takes the time of the simulation
FAULT_STATE = Topic("fault_state", FaultState, 64)  # sim -> recorder, and nobody else
INJECT_FAULT = ("inject_fault", InjectFault)  # asked of injector
CLEAR_FAULTS = ("clear_faults", ClearFaults)  # asked of injector
RESET_WORLD = ("reset_world", ResetWorld)  # asked of sim
RESUME = ("resume", Resume)  # asked of safety


def baton(last_slot: int) -> Topic:
    """Return the topic on which a chain node hands on what its slots, the last one of which is named, have decided."""
    return Topic(f"baton/slot_{last_slot}", Baton, 8)
