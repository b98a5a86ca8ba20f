# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A policy without a network, for any chain: it needs no torch, no bundle and no compiled backend."""

from __future__ import annotations

import numpy as np

from mat_ros.core.policy.manifest import Network, StateLayout


class Arithmetic:
    """A backend of a few lines whose every output depends on every input, so that nothing can be mixed up unseen."""

    def __init__(self, network: Network, state: StateLayout) -> None:
        self.network, self.state = network, state
        self._row = np.arange(state.row) % (network.enc_dim + network.act_dim)
        self._even = np.arange(network.act_dim) % 2 == 0

    def encode(self, obs):
        wide = np.resize(np.cumsum(obs, dtype=np.float32), (self.network.agents, self.network.enc_dim))
        return np.tanh(wide).astype(np.float32), obs.sum(axis=1, dtype=np.float32)

    def step(self, slot, enc, previous, state):
        # Running maxima start near minus infinity, so the state counts by its tangent.
        known = np.tanh(state)
        mixed = np.float32(0.5) * np.sin(known.sum() + enc.sum() + np.float32(2) * previous.sum() + np.float32(slot))
        action = np.where(self._even, mixed, mixed * enc[0])
        row = np.float32(0.9) * np.concatenate([enc, previous])[self._row]
        return action, np.concatenate([state, row]) if self.state.grows else known * np.float32(0.5) + row
