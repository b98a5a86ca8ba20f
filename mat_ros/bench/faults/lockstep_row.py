# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run the ticks of one robot among those that run side by side in lock-step: its chain, its gate and its faults.

Where the schedule of a robot breaks messages or nodes, a whole simulated chain decides, and at the deadline the gate
applies the decisions that have arrived. Elsewhere the central tick decides, with the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Protocol

import numpy as np

from mat_ros.core.faults.detect import Detector
from mat_ros.core.faults.network import SimulatedChain
from mat_ros.core.faults.schedule import Schedule, followed_share
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.robot.guard import GuardSettings
from mat_ros.core.robot.joints import ActionMap
from mat_ros.core.tick.central import Central
from mat_ros.core.tick.keeper import Keeper, Keeping
from mat_ros.core.tick.messages import Decision, Encoding, Float32, Observation, Outcome, Override, Validity
from mat_ros.core.tick.safety import Gate
from mat_ros.core.tick.wiring import Span
from mat_ros.core.wire.fields import applied_fields, decision_fields, encoding_fields, override_fields, time_of

EPISODE = 1  # the number of every episode in a recording


class MessageSink(Protocol):
    """Store messages; a Recorder and a FlightRecorder do so."""

    def write(self, topic: str, time_ns: int, message: object) -> None:
        """Store a message."""
        ...


@dataclass(frozen=True)
class RowContext:
    """Hold what all rows of a lock-step run share."""

    manifest: Manifest
    hash64: int  # hash of the bundle, which every message contains
    central: Central
    action_map: ActionMap
    spans: tuple[Span, ...]  # slots of each chain node
    mode: str  # patience of the chain nodes, one of MODES
    gate: GuardSettings
    deadline_ns: int  # time from the start of a tick to its deadline


@dataclass(frozen=True)
class RowTick:
    """Hold the messages and the times of one robot's tick."""

    observation: Observation
    overrides: dict[int, Override]  # overrides of broken joints that the chain received
    told_anew: bool  # the overrides differ from those of the tick before
    encoded: tuple[Encoding, Float32] | None  # encodings and values (n,); None where a measurement is not finite
    decisions: tuple[Decision, ...]  # decisions that reached the gate, in order of arrival
    outcome: Outcome
    latency_ns: int  # simulated time until the last decision; 0 where the central tick decided
    computing_ns: int  # time of encoding, deciding and guarding on this machine


class LockStepRow:
    """Decide and guard for one robot, with a simulated chain where its schedule breaks messages or nodes."""

    def __init__(self, context: RowContext, schedule: Schedule) -> None:
        self.schedule = schedule
        self._context = context
        manifest = context.manifest
        self._keeper = Keeper(manifest, Gate(manifest.joints, manifest.period_ns, context.gate),
                              Keeping(lockstep=True, simulated=True))
        breaks = any(fault.level in ("message", "node") for fault in schedule.faults)
        self._chain = SimulatedChain(context.central.decider, context.spans, manifest.network.agents,
                                     context.mode) if breaks else None
        self._overrides: dict[int, Override] = {}

    def tick(self, tick: int, signals: Float32, overrides: dict[int, Override]) -> RowTick:
        """Decide and guard one tick from its measurements (signal,), and return its messages and times."""
        start_ns = tick * self._context.manifest.period_ns
        observation = Observation(tick, start_ns, start_ns + self._context.deadline_ns, start_ns, EPISODE, signals)
        told_anew = tick == 0 or not _same(self._overrides, overrides)
        self._overrides = overrides
        began_ns = time.perf_counter_ns()
        if self._chain is None:
            done = self._context.central.tick(self._keeper, observation, overrides)
            encoded, outcomes, latency_ns = done.encoded, done.outcomes, 0
            decisions = [] if done.decision is None else [done.decision]
        else:
            encoded, decisions, latency_ns = self._simulate(self._chain, observation, overrides)
            outcomes = ()
        outcome = (outcomes or self._keeper.poll(observation.deadline_ns))[-1]
        computing_ns = time.perf_counter_ns() - began_ns
        return RowTick(observation, overrides, told_anew, encoded, tuple(decisions), outcome, latency_ns, computing_ns)

    def _simulate(self, chain: SimulatedChain, observation: Observation, overrides: dict[int, Override]
                  ) -> tuple[tuple[Encoding, Float32] | None, list[Decision], int]:
        """Return a chain's encoding, the decisions that reached the gate up to the deadline, and the latency."""
        decisions: list[Decision] = []
        self._keeper.on_observation(observation, observation.start_ns)
        encoded = self._context.central.encode(observation)
        if encoded is None:
            return None, decisions, self._context.deadline_ns
        for node in chain.nodes:
            node.shared = overrides
        chain.tick(encoded[0], self.schedule, self._keeper.collector, decisions.append)
        return encoded, decisions, chain.latency_ns

    def told(self, tick: int, information: str, detector: Detector | None, row: int) -> dict[int, Override]:
        """Return the overrides for the chain: none, those of the detector, or those of the schedule (oracle)."""
        action_map = self._context.action_map
        if information == "oracle":
            return self._oracle(tick)
        if information == "truth" and detector is not None:
            return detector.overrides(action_map.slot_of_joint, action_map.column_of_joint, action_map.act_dim, row)
        return {}

    def _oracle(self, tick: int) -> dict[int, Override]:
        action_map = self._context.action_map
        names = [joint.name for joint in self._context.manifest.joints]
        found: dict[int, Override] = {}
        for fault in self.schedule.active(tick):
            if fault.level == "actuator":
                joint = names.index(fault.target)
                slot = int(action_map.slot_of_joint[joint])
                share = found[slot].share.copy() if slot in found else np.ones(action_map.act_dim, np.float32)
                share[action_map.column_of_joint[joint]] = followed_share(fault)
                found[slot] = Override(share, Validity.HELD if fault.kind == "stuck" else Validity.ZERO)
        return found

    def record(self, sink: MessageSink, done: RowTick) -> None:
        """Store the messages that a live graph would have sent in a tick."""
        observation, outcome, manifest = done.observation, done.outcome, self._context.hash64
        tick, start_ns = observation.tick, observation.start_ns
        stamp = time_of(start_ns)
        sink.write("observation", start_ns, SimpleNamespace(
            tick=tick, manifest=manifest, start_ns=start_ns, deadline_ns=observation.deadline_ns, source_stamp=stamp,
            episode=EPISODE, signals=observation.signals))
        if done.told_anew:
            sink.write("overrides", start_ns, override_fields(tick, done.overrides, manifest))
        if done.encoded is not None:
            sink.write("encoding", start_ns, encoding_fields(*done.encoded, manifest))
        for decision in done.decisions:
            sink.write("decision", start_ns, decision_fields(decision, manifest))
        sink.write("applied", start_ns, applied_fields(outcome, observation.deadline_ns, manifest))
        active = self.schedule.active(tick)
        sink.write("fault_state", start_ns, SimpleNamespace(
            tick=tick, enabled=bool(self.schedule.faults), ids=[f.id for f in active],
            kinds=[f"{f.level}: {f.kind}" for f in active], targets=[f.target for f in active],
            severities=[f.severity for f in active]))


def _same(a: Mapping[int, Override], b: Mapping[int, Override]) -> bool:
    return a.keys() == b.keys() and all(a[k].validity == b[k].validity and np.array_equal(a[k].share, b[k].share)
                                        for k in a)
