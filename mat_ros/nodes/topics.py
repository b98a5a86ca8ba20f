# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define every topic and service of a graph with its type and quality of service. No other module defines any.

Names are relative, because each graph has its namespace. Writers are reliable: with best effort, a single lost message
costs a joint its tick, and the gain measured on the loopback is smaller than a process switch. Queues are short,
because an old tick is never applied.
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
    """One topic."""

    name: str
    type: Any
    depth: int  # messages that a reader keeps, of all its writers together
    latched: bool = False  # a reader that starts late still receives the last message of each writer
    sealed: bool = False  # its messages carry a tag, and nodes drop those of other launches

    @property
    def qos(self) -> QoSProfile:
        """Return the quality of service of a reader, and of a writer whose messages are not latched."""
        durability = DurabilityPolicy.TRANSIENT_LOCAL if self.latched else DurabilityPolicy.VOLATILE
        return QoSProfile(depth=self.depth, reliability=ReliabilityPolicy.RELIABLE, durability=durability)

    @property
    def writer(self) -> QoSProfile:
        """Return the quality of service of a writer. A latched writer keeps its last message alone."""
        kept = self.qos
        kept.depth = 1 if self.latched else self.depth
        return kept

    @property
    def best_effort(self) -> QoSProfile:
        """Return the quality of a reader that requests no lost message again; it matches the reliable writers."""
        return QoSProfile(depth=self.depth, reliability=ReliabilityPolicy.BEST_EFFORT)


OBSERVATION = Topic("observation", Observation, 2, sealed=True)  # sim | observer -> encoder, safety, checker
ENCODING = Topic("encoding", Encoding, 2, sealed=True)  # encoder -> every chain node
DECISION = Topic("decision", Decision, 256, sealed=True)  # every chain node -> safety; deep: all write at once
APPLIED = Topic("applied", Applied, 4, sealed=True)  # safety -> sim, checker, recorder
DESCRIPTOR = Topic("descriptor", NodeDescriptor, 256, latched=True, sealed=True)  # every node -> supervisor
STATUS = Topic("status", ChainStatus, 1, latched=True)  # supervisor -> viewers and tools
DIAGNOSTICS = Topic("/diagnostics", DiagnosticArray, 256)  # every node -> supervisor, and ROS's own tools
OVERRIDES = Topic("overrides", OverrideSet, 1, latched=True, sealed=True)  # detector -> chain nodes, checker, recorder
INJECTION = Topic("injection", Injection, 1, sealed=True)  # injector -> sim and the receiving ends of broken messages
CLOCK = Topic("/clock", Clock, 1)  # sim -> whoever takes the time of the simulation
FAULT_STATE = Topic("fault_state", FaultState, 64)  # sim -> recorder, and nobody else
INJECT_FAULT = ("inject_fault", InjectFault)  # asked of injector
CLEAR_FAULTS = ("clear_faults", ClearFaults)  # asked of injector
RESET_WORLD = ("reset_world", ResetWorld)  # asked of sim
RESUME = ("resume", Resume)  # asked of safety


def baton(last_slot: int) -> Topic:
    """Return the topic of the batons of the chain node whose last slot is `last_slot`."""
    return Topic(f"baton/slot_{last_slot}", Baton, 8, sealed=True)
