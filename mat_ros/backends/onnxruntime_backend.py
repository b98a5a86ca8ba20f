# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Decide with ONNX Runtime in one thread, with inputs and outputs bound to fixed memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from mat_ros.backends.backend import BackendInfo, Float32
from mat_ros.backends.native_library import LIBRARY
from mat_ros.core.errors import Missing, Refused
from mat_ros.core.policy.bundle import Bundle
from mat_ros.core.shipped import install_command

NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"  # ONNX Runtime collects usage data from its import on, unless this is set
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}


class OnnxRuntimeBackend:
    """Run the graphs encoder.onnx and step.onnx of a bundle."""

    def __init__(self, bundle: Bundle, device: str = "cpu", graphs: Mapping[str, bytes] | None = None) -> None:
        """Load the graphs for "cpu", "cuda" or "tensorrt" (ONNX Runtime's own provider for TensorRT).

        `graphs`, an "encoder" and a "step", replace the graphs of the bundle. They may contain nodes of mat_ros::WKV,
        an operator of the native library.
        """
        self._ort = _onnxruntime()
        if device not in PROVIDERS or PROVIDERS[device] not in self._ort.get_available_providers():
            offered = [name for name, provider in PROVIDERS.items()
                       if provider in self._ort.get_available_providers()]
            raise Refused("device of ONNX Runtime", f"one of {offered}", device,
                          "install onnxruntime-gpu, or choose another device")
        self._device = device
        if graphs is not None and not LIBRARY.exists():
            raise Missing("the operator mat_ros::WKV", "install g++ and run `pip install -e .` to compile it")
        self._operators = () if graphs is None else (str(LIBRARY),)
        graphs = graphs or {name: bundle.read(f"{name}.onnx") for name in ("encoder", "step")}
        network, layout = bundle.manifest.network, bundle.manifest.state
        self._layout = layout
        self._mask = bundle.manifest.action_map.mask
        self._padded = not self._mask.all()
        self._obs = np.zeros((1, network.agents, network.obs_dim), np.float32)
        self._enc_in = np.zeros((1, network.enc_dim), np.float32)
        self._previous = np.zeros((1, network.act_dim), np.float32)
        self._encoder = self._session(graphs["encoder"])
        self._step = self._session(graphs["step"])
        self._inputs = {item.name for item in self._step.get_inputs()}  # a graph lacks the inputs that it does not use
        enc = np.zeros((1, network.agents, network.enc_dim), np.float32)
        self._values = np.zeros((1, network.agents), np.float32)
        self._enc = enc
        self._encoding = self._bind(self._encoder, {"observation": self._obs}, {"enc": enc, "values": self._values})
        # Each length of the state has its own binding, because the shape of bound memory cannot change.
        sizes = [layout.size(slot) for slot in range(network.agents + 1)]
        self._steps = [self._bind_step(network.act_dim, *sizes[slot:slot + 2]) for slot in range(network.agents)] \
            if layout.grows else [self._bind_step(network.act_dim, sizes[0], sizes[0])] * network.agents

    def encode(self, obs: Float32) -> tuple[Float32, Float32]:
        """Map the raw observation (n, obs_dim) to encodings (n, enc_dim) and values (n,)."""
        if obs.shape != self._obs.shape[1:]:
            raise Refused("observation", f"shape {self._obs.shape[1:]}", obs.shape, "observe with the bundle's layout")
        self._obs[0] = obs
        self._encoder.run_with_iobinding(self._encoding)
        return self._enc[0].copy(), self._values[0].copy()

    def step(self, slot: int, enc: Float32, previous: Float32, state: Float32) -> tuple[Float32, Float32]:
        """Return the action and the next state of one slot; see Backend.step."""
        binding, state_in, action, state_out = self._steps[slot]
        if state.shape != (state_in.size,) or enc.shape != self._enc_in.shape[1:]:
            raise Refused(f"step of slot {slot}", (self._enc_in.shape[1:], (state_in.size,)), (enc.shape, state.shape),
                          "pass the encoding, and the state of the slot before")
        self._enc_in[0], self._previous[0], state_in.reshape(-1)[:] = enc, previous, state
        self._step.run_with_iobinding(binding)
        decided: Float32 = action[0].copy()
        if self._padded:
            decided *= self._mask[slot]
        return decided, (state_out.reshape(-1).copy() if state_out.size else state.copy())

    def info(self) -> BackendInfo:
        """Return the name and the device of this backend."""
        return BackendInfo("onnxruntime", self._ort.__version__, self._device)

    def _session(self, graph: bytes) -> Any:
        options = self._ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        for library in self._operators:
            options.register_custom_ops_library(library)
        try:
            providers = list(dict.fromkeys((PROVIDERS[self._device], "CPUExecutionProvider")))
            return self._ort.InferenceSession(graph, options, providers=providers)
        except Exception as error:  # the library raises its own class for each kind of broken graph
            raise Refused("graph of the bundle", "a graph that ONNX Runtime can run", str(error).replace("\n", " "),
                          "export the policy anew") from error

    def _bind(self, session: Any, inputs: dict[str, Float32], outputs: dict[str, Float32]) -> Any:
        binding = session.io_binding()
        for name, array in inputs.items():
            binding.bind_ortvalue_input(name, self._ort.OrtValue.ortvalue_from_numpy(array))
        for name, array in outputs.items():
            binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        return binding

    def _bind_step(self, act_dim: int, size_in: int, size_out: int) -> tuple[Any, Float32, Float32, Float32]:
        row = self._layout.row
        shape_in = (1, size_in // row, row) if self._layout.grows else (1, size_in)
        shape_out = (1, size_out // row, row) if self._layout.grows else (1, size_out)
        state_in, state_out = np.zeros(shape_in, np.float32), np.zeros(shape_out, np.float32)
        action = np.zeros((1, act_dim), np.float32)
        inputs = {"enc": self._enc_in, "action": self._previous, "state": state_in}
        inputs = {name: array for name, array in inputs.items() if name in self._inputs}
        outputs = {"next_action": action, "next_state": state_out}
        return self._bind(self._step, inputs, outputs), state_in, action, state_out


def _onnxruntime() -> Any:
    os.environ.setdefault(NO_TELEMETRY, "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise Missing("onnxruntime", f"run {install_command('onnx')}") from error
    return onnxruntime
