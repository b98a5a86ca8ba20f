# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Encode each observation once and publish the encodings to every chain node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mat_ros.backends.choose import BACKENDS, open_backend
from mat_ros.backends.native_tick import ENCODING, OBSERVATION, NativeEncoder
from mat_ros.core.options import option
from mat_ros.core.tick.encode import Encoder
from mat_ros.core.wire import tick as wire
from mat_ros.graph.tick_choice import TICKS
from mat_ros.msg import NodeDescriptor
from mat_ros.nodes import topics
from mat_ros.nodes.loop import HEARING
from mat_ros.nodes.shell import NodeSettings, Shell


@dataclass(frozen=True)
class EncoderSettings(NodeSettings):
    """Set the backend of the encoder, and what runs its tick."""

    backend: str = option("auto", "backend that runs the policy", choices=BACKENDS)
    tick: str = option("auto", "what runs the tick: C++ where possible (auto), always C++ (native), or Python (python)",
                       choices=TICKS)


class EncoderNode(Shell):
    """Encode observations: observation -> encoding."""

    role = "encoder"
    settings_type = EncoderSettings

    def set_up(self) -> None:
        """Open the backend and the topics."""
        self._backend = open_backend(self.settings.backend, self.bundle)
        if self.runs_natively(self._backend):
            self.run_loop(NativeEncoder(self._backend, self.bundle, self._secret),
                          [(topics.OBSERVATION, OBSERVATION, 0)], [(topics.ENCODING, ENCODING)], HEARING)
            return
        self._encoder = Encoder(self._backend, self.manifest)
        self._publish = self.announce(topics.ENCODING)
        self.hear(topics.OBSERVATION, self._heard)

    def describe(self, descriptor: NodeDescriptor) -> None:
        """Write the backend into the descriptor."""
        info = self._backend.info()
        descriptor.backend = f"{info.name} {info.version}"[:64]

    def facts(self) -> Mapping[str, object]:
        """Return the counts of the encoder."""
        if self.reason:
            return {}
        return self.counts + (self.loop.counts() if self.loop is not None else self._encoder.counts)

    def _heard(self, data: bytes) -> None:
        observation = wire.read_observation(data, self._encoder.signal_count)
        found = self._encoder.encode(observation, self.now_ns())
        if found is not None:
            self._publish(wire.write_encoding(*found, self.bundle.hash64))
