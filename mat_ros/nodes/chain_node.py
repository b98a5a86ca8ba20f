# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run one or several slots of the chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mat_ros.backends.backend import Backend
from mat_ros.backends.choose import BACKENDS, open_backend
from mat_ros.backends.native_backend import NativeBackend
from mat_ros.backends.native_tick import BATON, DECISION, ENCODING, NativeChain
from mat_ros.core.errors import Refused
from mat_ros.core.options import option
from mat_ros.core.policy.manifest import Manifest
from mat_ros.core.tick.chain import BATONS, MODES, ChainNode, Patience, Role
from mat_ros.core.tick.decide import Decider, Sampling
from mat_ros.core.tick.encode import Encoder
from mat_ros.core.tick.messages import Baton, Decision, Encoding
from mat_ros.core.tick.overrides import Notices
from mat_ros.core.wire import fields as core_wire
from mat_ros.core.wire import tick as wire
from mat_ros.graph.tick_choice import TICKS
from mat_ros.msg import NodeDescriptor
from mat_ros.nodes import topics
from mat_ros.nodes.alarm import Alarm
from mat_ros.nodes.loop import HEARING, Hearing
from mat_ros.nodes.shell import NodeSettings, Shell

SLOTS = 1024  # largest number of slots that a message can hold


@dataclass(frozen=True)
class ChainSettings(NodeSettings):
    """Set the slots of a node, its predecessors, and how long the node waits for them."""

    first_slot: int = option(0, "first slot that the node owns", 0, SLOTS - 1)
    stop_slot: int = option(1, "first slot after those of the node", 1, SLOTS)
    hear: str = option("", "last slots of the nodes whose batons this node receives, as in 3,4")
    mode: str = option("optimistic", "patience: how long a slot waits for the baton of its predecessor", choices=MODES)
    budget_ms: float = option(1.0, "bounded mode: how long a slot waits for each slot before it", 0.01, 1000.0)
    baton: str = option("always", "when the node sends a baton", choices=BATONS)
    backup: bool = option(False, "also decide the later slots, in case their nodes send no decision")
    replicated: bool = option(False, "encode observations in this node, and receive no encodings")
    chain_information: str = option("intent", "what the next slots receive for a broken joint: the intended action "
                                    "(intent) or the performed action (truth)", choices=("intent", "truth"))
    backend: str = option("auto", "backend that runs the policy", choices=BACKENDS)
    tick: str = option("auto", "what runs the tick: C++ where possible (auto), always C++ (native), or Python (python)",
                       choices=TICKS)
    seed: int = option(0, "seed of sampled decisions", 0, 2**31 - 1)
    sampled: bool = option(False, "draw actions instead of taking the mean")


def make_decider(settings: ChainSettings, backend: Backend, manifest: Manifest) -> Decider:
    """Return the decider of the settings; the checker makes its decider from the same settings."""
    sampling = Sampling(settings.seed, np.array(manifest.action_std, np.float32)) if settings.sampled else None
    return Decider(backend, manifest.network, manifest.state, sampling)


class ChainShell(Shell):
    """Turn encodings and batons into batons and decisions: encoding, batons -> baton, decision."""

    role = "chain_node"
    settings_type = ChainSettings

    def set_up(self) -> None:
        """Open the backend and the topics."""
        s = self.settings
        role = Role(self.manifest.network.agents, s.first_slot, s.stop_slot,
                    Patience.of(s.mode, round(s.budget_ms * 1e6)), s.baton, s.backup)
        self._backend = open_backend(s.backend, self.bundle)
        if self.runs_natively(self._backend, s.sampled, s.replicated):
            self._set_up_native(self._backend, role)
        else:
            self._set_up_python(role)
        if s.chain_information == "truth":
            self.hear_messages(topics.OVERRIDES, self._heard_overrides)  # also while inactive: the message is latched

    def _set_up_native(self, backend: NativeBackend, role: Role) -> None:
        machine = NativeChain(backend, self.bundle, role, self._secret, self._predecessors())
        announced = [(topics.DECISION, DECISION)]
        if role.stop < role.slots:
            announced.append((topics.baton(role.stop - 1), BATON))
        heard = [(topics.baton(slot), BATON, slot) for slot in self._predecessors()]
        # Only the loop's own thread wakes a node at the end of its patience. A strict node waits until the deadline,
        # when no message counts, and an optimistic node does not wait.
        hearing = Hearing.IN_THREAD if role.patience.mode == "bounded" else HEARING
        self.run_loop(machine, [*heard, (topics.ENCODING, ENCODING, 0)], announced, hearing)

    def _set_up_python(self, role: Role) -> None:
        self.chain = ChainNode(make_decider(self.settings, self._backend, self.manifest), role, self.manifest.period_ns)
        self._encoder = Encoder(self._backend, self.manifest)
        self._alarm = Alarm(self, self._woken)
        self._notices = Notices()
        self._decided = self.announce(topics.DECISION)
        if role.stop < role.slots:
            self._handed_on = self.announce(topics.baton(role.stop - 1))
        for last_slot in self._predecessors():
            self.hear(topics.baton(last_slot), self._heard_baton)
        if self.settings.replicated:
            self.hear(topics.OBSERVATION, self._heard_observation)
        else:
            self.hear(topics.ENCODING, self._heard_encoding)

    def _predecessors(self) -> list[int]:
        first = self.settings.first_slot
        try:
            found = [int(text) for text in self.settings.hear.split(",") if text.strip()]
        except ValueError:
            found = [-1]
        if any(not 0 <= slot < first for slot in found):
            raise Refused("parameter hear", f"slots before {first}, as in 3,4", self.settings.hear,
                          "correct the wiring")
        return found

    def describe(self, descriptor: NodeDescriptor) -> None:
        """Write the slots and the backend into the descriptor."""
        info = self._backend.info()
        descriptor.backend = f"{info.name} {info.version}"[:64]
        descriptor.first_slot, descriptor.stop_slot = self.settings.first_slot, self.settings.stop_slot

    def stop(self) -> None:
        """Cancel the wait for predecessors."""
        if self.loop is None:
            self._alarm.clear()

    def facts(self) -> Mapping[str, object]:
        """Return the counts of the encoder and of the chain."""
        if self.reason:
            return {}
        if self.loop is not None:
            return self.counts + self.loop.counts()
        return self.counts + self._encoder.counts + self.chain.counts

    def _heard_overrides(self, message: Any) -> None:
        network = self.manifest.network
        try:
            if message.manifest == self.bundle.hash64:
                overrides = core_wire.read_overrides(message, network.agents, network.act_dim)
                if self.loop is not None:
                    self.loop.notice(message.tick, overrides)
                else:
                    self._notices.add(message.tick, overrides)
        except Refused:
            self.counts["refused"] += 1

    def _heard_observation(self, data: bytes) -> None:
        observation = wire.read_observation(data, self._encoder.signal_count)
        found = self._encoder.encode(observation, self.now_ns())
        if found is not None:
            self._begin(found[0])

    def _heard_encoding(self, data: bytes) -> None:
        network = self.manifest.network
        encoding = wire.read_encoding(data, network.agents, network.enc_dim)
        self._begin(encoding)

    def _begin(self, encoding: Encoding) -> None:
        self.chain.shared = self._notices.at(encoding.tick)
        self._send(self.chain.on_encoding(encoding, self.now_ns()))

    def _heard_baton(self, data: bytes) -> None:
        self._send(self.chain.on_baton(wire.read_baton(data, self.manifest.network.act_dim), self.now_ns()))

    def _woken(self) -> None:
        self._send(self.chain.poll(self.now_ns()))

    def _send(self, messages: list[Baton | Decision]) -> None:
        manifest = self.bundle.hash64
        for message in messages:
            if isinstance(message, Decision):
                self._decided(wire.write_decision(message, manifest))
            else:
                self._handed_on(wire.write_baton(message, manifest))
        if self.settings.mode == "bounded":  # a strict node waits until the deadline, when no message counts
            now_ns, wake_ns = self.now_ns(), self.chain.wake_ns
            # At a time that has passed, the node has done what it can: the alarm would ring again and again.
            self._alarm.set(wake_ns if wake_ns is not None and wake_ns > now_ns else None, now_ns)
