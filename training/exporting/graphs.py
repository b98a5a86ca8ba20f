# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Write the graphs of a policy: the encoder with its observation statistics inside, and one step."""

from __future__ import annotations

import logging
import math
import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import onnx
import torch
from onnxscript import opset20 as op
from torch import Tensor, nn
from torch.nn import functional as F

from mat_ros.core.policy.manifest import Normaliser
from training.models import Policy
from training.models.wkv_reference import lengthened

OPSET = 20  # the first opset with Gelu
IR_VERSION = 10  # version of the time of opset 20: every runtime that supports the opset reads this version
BATCH, SLOTS = "batch", "slots"


class EncoderGraph(nn.Module):
    """Map a raw observation (B, n, obs_dim) to enc (B, n, enc_dim) and values (B, n), for any n up to all agents.

    Agents differ in their statistics, in what they observe and in their ids. The n rows are therefore the first n
    slots, and the result is that of a chain that ends there. In a causal encoder no row depends on a later one. Such an
    encoder runs over all agents, with zeros for the missing ones, and its result is cut. Its shapes are then fixed, and
    a runtime computes the tables of distances once. Computed at each call, the tables would cost up to 70 % of the
    encoder.
    """

    def __init__(self, policy: Policy, normaliser: Normaliser) -> None:
        super().__init__()
        self.policy, self.clip = policy, normaliser.clip
        self.causal = policy.config.encoder != "attention" and not policy.config.encoder_bidirectional
        self.register_buffer("mean", torch.tensor(normaliser.mean))
        self.register_buffer("std", torch.tensor(normaliser.std))

    mean: Tensor
    std: Tensor

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        if not self.causal:
            return self._encode(observation)
        behind = self.policy.config.agents - observation.shape[1]
        enc, values = self._encode(F.pad(observation, (0, 0, 0, behind)))
        return F.pad(enc, (0, 0, 0, -behind)), F.pad(values, (0, -behind))

    def _encode(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        slots = observation.shape[1]
        normal = ((observation - self.mean[:slots]) / self.std[:slots]).clamp(-self.clip, self.clip)
        enc, values = self.policy.encode_first(normal)
        return enc, values.squeeze(-1)


class StepGraph(nn.Module):
    """Map enc (B, enc_dim), the predecessor's action (B, act_dim) and a state to the mean action and the next state."""

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, enc: Tensor, action: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return self.policy.step(enc, action, state)


def write_encoder(graph: EncoderGraph, path: Path, *, any_length: bool = True) -> None:
    """Write encoder.onnx for any batch and, by default, for any n: as if the chain ended after slot n."""
    config = graph.policy.config
    dims: dict[int, Any] = {0: torch.export.Dim(BATCH)}
    tables: AbstractContextManager[None] = nullcontext()
    if any_length and config.agents > 1:
        dims[1] = torch.export.Dim(SLOTS, min=1, max=config.agents)
        if config.encoder != "attention" and not graph.causal:
            tables = lengthened(config.agents)
    example = {"observation": torch.zeros(2, config.agents, config.obs_dim)}
    with tables:
        _write(graph, example, ["enc", "values"], {"observation": dims}, path)


def write_step(graph: StepGraph, path: Path) -> None:
    """Write step.onnx for any batch. A state that grows may have any number of rows, also none."""
    config, layout = graph.policy.config, graph.policy.state_layout()
    batch = torch.export.Dim(BATCH)
    state_dims: dict[int, Any] = {0: batch}
    if layout.kind == "rows":
        state_dims[1] = torch.export.Dim(SLOTS, min=0)
    example = {
        "enc": torch.zeros(2, config.enc_dim),
        "action": torch.zeros(2, config.act_dim),
        "state": torch.zeros(layout.shape(2, slot=3)),
    }
    dynamic = {"enc": {0: batch}, "action": {0: batch}, "state": state_dims}
    _write(graph, example, ["next_action", "next_state"], dynamic, path)


def _solve_unit_lower(matrix: Any, right: Any, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Any:
    """Translate solve_triangular, which ONNX lacks, for the one case that RWKV-7 needs.

    A strictly lower triangular N of n rows has N^n = 0. So (I + N)^-1 = (I + M)(I + M²)(I + M⁴)... with M = -N, and
    log2 n factors are exact.
    """
    if upper or not left or not unitriangular:
        raise NotImplementedError("only unit lower triangular systems, solved from the left, are translated")
    below: Any = op.Constant(value_int=-1)
    power = op.Neg(op.Trilu(matrix, below, upper=0))
    for _ in range(max(1, math.ceil(math.log2(matrix.shape[-1])))):
        right = op.Add(right, op.MatMul(power, right))
        power = op.MatMul(power, power)
    return right


def _write(module: nn.Module, inputs: dict[str, Tensor], outputs: list[str], dynamic: dict[str, dict[int, Any]],
           path: Path) -> None:
    """Export with torch's exporter. Its many log lines and warnings are switched off meanwhile."""
    noisy = logging.getLogger("torch.onnx")
    level = noisy.level
    noisy.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module.eval(), tuple(inputs.values()), input_names=list(inputs), output_names=outputs, dynamo=True,
                opset_version=OPSET, dynamic_shapes=tuple(dynamic.values()), external_data=False, verbose=False,
                custom_translation_table={torch.ops.aten.linalg_solve_triangular.default: _solve_unit_lower},
            )
    finally:
        noisy.setLevel(level)
    assert program is not None
    model = program.model_proto
    _strip(model)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def _strip(model: onnx.ModelProto) -> None:
    """Remove the exporter's notes about this machine: source lines, paths and its own versions."""
    model.ir_version = min(model.ir_version, IR_VERSION)
    model.producer_name, model.producer_version, model.doc_string = "mat_ros", "", ""
    del model.metadata_props[:]
    for part in (model.graph, *model.functions):
        part.doc_string = ""
        del part.metadata_props[:]
        for item in (*part.node, *part.value_info):
            item.doc_string = ""
            del item.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        value.doc_string = ""
        del value.metadata_props[:]
