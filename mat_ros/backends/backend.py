# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define what a backend is: three methods, the same in every wiring, so that every wiring gives the same bits.

A backend may also decide several slots in one call, as `core.tick.decide.RunStepper` declares it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class BackendInfo:
    """What runs the graphs."""

    name: str  # "native", "onnxruntime", "torch", "tensorrt", "tensorrt_rtx"
    version: str
    device: str  # "cpu (avx2)", "cuda:0", ...


class Backend(Protocol):
    """Decide for one robot. Arrays are float32 and contiguous; a returned array is the caller's to keep."""

    def encode(self, obs: Float32) -> tuple[Float32, Float32]:
        """Map the raw observation (n, obs_dim) to encodings (n, enc_dim) and values (n,)."""
        ...

    def step(self, slot: int, enc: Float32, previous: Float32, state: Float32) -> tuple[Float32, Float32]:
        """Decide one slot.

        `enc` (enc_dim,) is the slot's encoding, `previous` (act_dim,) the action of the slot before (zeros for the
        first), `state` what that slot handed on. Gives the slot's action (act_dim,), the mean of its distribution in
        policy units with zeros where the agent has no such action, and the state for the next slot. `slot` is given so
        that nothing has to be counted or kept.
        """
        ...

    def info(self) -> BackendInfo:
        """Say what this backend is."""
        ...
