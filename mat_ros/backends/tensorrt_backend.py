# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Decide with checked TensorRT engines. Enterprise TensorRT and TensorRT for RTX use the same code.

**This project has not run this code**, because it had no machine with a GPU that either library accepts. Run
`mat-ros engines verify` first. This command compares the engines with the golden ticks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mat_ros.backends.backend import BackendInfo, Float32
from mat_ros.backends.cuda_driver import Driver
from mat_ros.core.errors import Refused
from mat_ros.core.policy.bundle import Bundle

DEFAULT_STREAM = 0
Inputs = dict[str, tuple[str, tuple[int, ...]]]  # tensor -> (memory, shape)


class TensorRTBackend:
    """Run the plans of the two graphs of a bundle."""

    def __init__(self, bundle: Bundle, module: Any, name: str, encoder: bytes, step: bytes, device: int = 0) -> None:
        """Load plans that were checked against this bundle and machine; `module` is the library's Python module."""
        self._driver, self._name, self._module, self._device = Driver(device), name, module, device
        network, self._layout = bundle.manifest.network, bundle.manifest.state
        self._network = network
        self._mask = bundle.manifest.action_map.mask
        self._runtime = module.Runtime(module.Logger(module.Logger.ERROR))
        self._encoder, self._step = self._context(encoder, "encoder"), self._context(step, "step")
        largest = max(self._layout.size(slot) for slot in range(network.agents + 1))
        sizes = {"observation": network.agents * network.obs_dim, "enc": network.agents * network.enc_dim,
                 "values": network.agents, "row": network.enc_dim, "action": network.act_dim, "state": largest,
                 "next_action": network.act_dim, "next_state": largest}
        self._at = {name: self._driver.allocate(size) for name, size in sizes.items()}

    def encode(self, obs: Float32) -> tuple[Float32, Float32]:
        """Map the raw observation (n, obs_dim) to encodings (n, enc_dim) and values (n,)."""
        n = self._network.agents
        self._driver.upload(self._at["observation"], obs)
        self._run(self._encoder, {"observation": ("observation", (1, *obs.shape))}, {"enc": "enc", "values": "values"})
        enc, values = np.empty((n, self._network.enc_dim), np.float32), np.empty(n, np.float32)
        self._driver.download(self._at["enc"], enc)
        self._driver.download(self._at["values"], values)
        return enc, values

    def step(self, slot: int, enc: Float32, previous: Float32, state: Float32) -> tuple[Float32, Float32]:
        """Return the action and the next state of one slot; see Backend.step."""
        if state.shape != (self._layout.size(slot),):
            raise Refused(f"step of slot {slot}", (self._layout.size(slot),), state.shape,
                          "pass the state of the slot before")
        for name, array in (("row", enc), ("action", previous), ("state", state)):
            if array.size:
                self._driver.upload(self._at[name], array)
        row = self._layout.row
        shape: tuple[int, ...] = (1, len(state) // row, row) if self._layout.grows else (1, len(state))
        inputs: Inputs = {"enc": ("row", (1, len(enc))), "action": ("action", (1, len(previous))),
                          "state": ("state", shape)}
        self._run(self._step, inputs, {"next_action": "next_action", "next_state": "next_state"})
        action = np.empty(self._network.act_dim, np.float32)
        handed = np.empty(self._layout.size(slot + 1), np.float32)
        self._driver.download(self._at["next_action"], action)
        if handed.size:
            self._driver.download(self._at["next_state"], handed)
        return np.where(self._mask[slot], action, np.float32(0.0)), handed

    def info(self) -> BackendInfo:
        """Return the name and the device of this backend."""
        return BackendInfo(self._name, str(self._module.__version__), f"cuda:{self._device}")

    def _context(self, plan: bytes, graph: str) -> tuple[Any, set[str]]:
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise Refused(f"engine of the {graph}", f"a plan that {self._name} can load", "none",
                          "run `mat-ros engines doctor`")
        names = {engine.get_tensor_name(index) for index in range(engine.num_io_tensors)}
        # The C++ context does not keep its engine alive, so this object keeps a reference to the engine.
        context = engine.create_execution_context()
        self._engines = (*getattr(self, "_engines", ()), engine)
        return context, names

    def _run(self, loaded: tuple[Any, set[str]], inputs: Inputs, outputs: dict[str, str]) -> None:
        """Run a plan on the default stream; the copies that follow wait for the run."""
        context, names = loaded
        for name, (place, shape) in inputs.items():
            if name in names:
                context.set_input_shape(name, shape)
                context.set_tensor_address(name, self._at[place].value)
        for name, place in outputs.items():
            context.set_tensor_address(name, self._at[place].value)
        if not context.execute_async_v3(DEFAULT_STREAM):
            raise Refused(f"engine of {self._name}", "a run without error", "an error", "run `mat-ros engines verify`")
