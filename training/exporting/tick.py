# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Join encoder and step to one file that runs a whole tick, for programs that want a single call.

    observation (batch, n, obs_dim) -> action (batch, n, act_dim), values (batch, n), for any n <= agents

The step becomes the body of an ONNX Loop over the slots, which may carry a state that grows. A runtime may fuse this
file in another way than the two files. The decisions then agree to rounding and not bit for bit, so a chain never mixes
the forms.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

from mat_ros.core.policy.manifest import StateLayout
from training.exporting.graphs import BATCH, IR_VERSION, OPSET, SLOTS


def write_tick(encoder: Path, step: Path, state: StateLayout, action_mask: NDArray[np.bool_], path: Path) -> None:
    """Write tick.onnx from encoder.onnx and step.onnx."""
    encoding = onnx.load(encoder)
    body = compose.add_prefix(onnx.load(step), "step/")
    act_dim = action_mask.shape[1]
    constants = [
        _constant("go_on", np.array(True)),
        _constant("mask", action_mask.astype(np.float32)),
        _constant("batch_at", np.array([0], np.int64)),
        _constant("batch_end", np.array([1], np.int64)),
        _constant("slots_end", np.array([2], np.int64)),
        _constant("action_shape", np.array([act_dim], np.int64)),
        _constant("state_shape", np.array([0, state.row] if state.grows else [state.row], np.int64)),
        _constant("start_state", np.zeros(1, np.float32) if state.grows else state.start()),
        _constant("nothing", np.zeros(1, np.float32)),
    ]
    before = [
        helper.make_node("Shape", ["observation"], ["observation_shape"]),
        helper.make_node("Slice", ["observation_shape", "batch_at", "batch_end"], ["batch_size"]),
        helper.make_node("Slice", ["observation_shape", "batch_end", "slots_end"], ["slots_size"]),
        helper.make_node("Squeeze", ["slots_size"], ["slots"]),
        helper.make_node("Concat", ["batch_size", "action_shape"], ["first_action_shape"], axis=0),
        helper.make_node("Concat", ["batch_size", "state_shape"], ["first_state_shape"], axis=0),
        helper.make_node("Expand", ["nothing", "first_action_shape"], ["first_action"]),
        helper.make_node("Expand", ["start_state", "first_state_shape"], ["first_state"]),
    ]
    after = [
        helper.make_node("Loop", ["slots", "go_on", "first_action", "first_state"],
                         ["last_action", "last_state", "decided"], body=_body(body)),
        helper.make_node("Transpose", ["decided"], ["action"], perm=[1, 0, 2]),
    ]
    values = next(output for output in encoding.graph.output if output.name == "values")
    action = helper.make_tensor_value_info("action", TensorProto.FLOAT, [BATCH, SLOTS, act_dim])
    graph = helper.make_graph([*encoding.graph.node, *before, *after], "tick", list(encoding.graph.input),
                              [action, values], [*encoding.graph.initializer, *constants, *body.graph.initializer])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION,
                              producer_name="mat_ros")
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _body(step: onnx.ModelProto) -> onnx.GraphProto:
    """Return the loop's body: take a slot's encoding, step, and put zeros where the agent has no such action."""
    row = [BATCH, None]
    select = helper.make_node("Gather", ["enc", "slot"], ["step/enc"], axis=1)
    same = helper.make_node("Identity", ["running"], ["still_running"])
    slot_mask = helper.make_node("Gather", ["mask", "slot"], ["slot_mask"], axis=0)
    masked = helper.make_node("Mul", ["step/next_action", "slot_mask"], ["masked_action"])
    output = helper.make_node("Identity", ["masked_action"], ["decided_action"])
    return helper.make_graph(
        [select, same, *step.graph.node, slot_mask, masked, output], "slot",
        [helper.make_tensor_value_info("slot", TensorProto.INT64, []),
         helper.make_tensor_value_info("running", TensorProto.BOOL, []),
         helper.make_tensor_value_info("step/action", TensorProto.FLOAT, row),
         helper.make_tensor_value_info("step/state", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("still_running", TensorProto.BOOL, []),
         helper.make_tensor_value_info("masked_action", TensorProto.FLOAT, row),
         helper.make_tensor_value_info("step/next_state", TensorProto.FLOAT, None),
         helper.make_tensor_value_info("decided_action", TensorProto.FLOAT, row)],
    )


def _constant(name: str, value: NDArray[np.generic]) -> TensorProto:
    return numpy_helper.from_array(np.asarray(value), name)
