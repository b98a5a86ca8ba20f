# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Decide each tick again in one process, and compare the bits with those that the gate used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mat_ros.backends.choose import BACKENDS, open_backend
from mat_ros.core.options import option
from mat_ros.core.tick.checker import Checker
from mat_ros.core.tick.encode import Encoder
from mat_ros.core.wire import tick as wire
from mat_ros.msg import NodeDescriptor
from mat_ros.nodes import topics
from mat_ros.nodes.chain_node import make_decider
from mat_ros.nodes.shell import NodeSettings, Shell

DEPTH = 256  # largest number of ticks that wait: the checker must not lose a tick because an earlier tick was slow


@dataclass(frozen=True)
class CheckerSettings(NodeSettings):
    """Set the backend and the sampling of the checker."""

    backend: str = option("auto", "backend that runs the policy", choices=BACKENDS)
    seed: int = option(0, "seed of sampled decisions", 0, 2**31 - 1)
    sampled: bool = option(False, "draw actions instead of taking the mean")


class CheckerNode(Shell):
    """Compare ticks and count differences: observation, applied -> counts in the reports."""

    role = "checker"
    settings_type = CheckerSettings

    def set_up(self) -> None:
        """Open the backend and the topics."""
        self._backend = open_backend(self.settings.backend, self.bundle)
        decider = make_decider(self.settings, self._backend, self.manifest)
        self._checker = Checker(Encoder(self._backend, self.manifest), decider, self.manifest.network.agents)
        self._signals = self.manifest.layout.signal_count
        self.hear(replace(topics.OBSERVATION, depth=DEPTH), self._heard_observation)
        self.hear(replace(topics.APPLIED, depth=DEPTH), self._heard_applied)

    def describe(self, descriptor: NodeDescriptor) -> None:
        """Write the backend into the descriptor."""
        info = self._backend.info()
        descriptor.backend = f"{info.name} {info.version}"[:64]

    def facts(self) -> Mapping[str, object]:
        """Return the numbers of compared, of differing and of undecided ticks, and the first difference."""
        return {} if self.reason else {"compared": 0, "differing": 0, "undecided": 0, **self._checker.counts,
                                       "difference": self._checker.difference}

    def _heard_observation(self, data: bytes) -> None:
        self._checker.on_observation(wire.read_observation(data, self._signals))

    def _heard_applied(self, data: bytes) -> None:
        outcome, _ = wire.read_applied(data, self.manifest.network.act_dim)
        self._checker.on_outcome(outcome)
