# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define the three methods of a backend. Every wiring calls the same methods, so every wiring computes the same bits.

A backend may also decide several slots in one call; `core.tick.decide.RunStepper` declares this method.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class BackendInfo:
    """Name the program and the device that run the graphs."""

    name: str  # "native", "onnxruntime", "torch", "tensorrt", "tensorrt_rtx"
    version: str
    device: str  # "cpu (avx2)", "cuda:0", ...


class Backend(Protocol):
    """Decide for one robot. Arrays are float32 and contiguous. A backend never writes to an array that it returned."""

    def encode(self, obs: Float32) -> tuple[Float32, Float32]:
        """Map the raw observation (n, obs_dim) to encodings (n, enc_dim) and values (n,)."""
        ...

    def step(self, slot: int, enc: Float32, previous: Float32, state: Float32) -> tuple[Float32, Float32]:
        """Decide one slot.

        `enc` (enc_dim,) is the encoding of the slot. `previous` (act_dim,) is the action of the slot before, zeros for
        the first slot. `state` is the state from the slot before. Returns the slot's action (act_dim,) and the state
        for the next slot. The action is the mean of its distribution in policy units, with zeros where the agent has
        fewer actions. The caller names the `slot`, so that the backend keeps no count of slots between calls.
        """
        ...

    def info(self) -> BackendInfo:
        """Return the name and the device of this backend."""
        ...
