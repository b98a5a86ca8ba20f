# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Write a bundle's graphs with the operator mat_ros::WKV in place of RWKV-4's recurrence in plain operations.

    key, value (batch, width) for one slot, or (batch, slots, width); rate, bonus (width,); num, den, max (batch, width)
    -> out as key; num, den, max after the last slot

A decoder's step is one slot. A causal encoder is n slots from an empty state. ONNX Runtime takes the operator from the
native library, TensorRT from trt_engines/wkv_plugin.py. Other runtimes lack the operator, so the bundle itself holds
the plain graphs.

    python -m training.exporting.wkv BUNDLE FOLDER      writes encoder.onnx and step.onnx; trt_engines runs this program
"""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from mat_ros.backends import golden
from mat_ros.backends.onnxruntime_backend import OnnxRuntimeBackend
from mat_ros.core.errors import REFUSED, Missing, Refused
from mat_ros.core.policy.bundle import Bundle
from training.exporting.graphs import EncoderGraph, StepGraph, write_encoder, write_step
from training.exporting.torch_backend import load_policy
from training.models import Policy
from training.models.layers import previous_slot
from training.models.rwkv4 import TimeMix4
from training.models.wkv_reference import NEVER

DOMAIN, NAME = "mat_ros", "WKV"
VERSION = 1
PLUGIN = {"plugin_namespace": DOMAIN, "plugin_version": str(VERSION)}  # TensorRT's parser searches by these


class OperatorMix(TimeMix4):
    """Export the RWKV-4 time mixer with its recurrence as one node. It cannot run: torch has no such operator."""

    def parallel(self, x: Tensor) -> Tensor:  # (B, n, d) -> (B, n, d)
        key, value, gate = self._project(x, previous_slot(x))
        nothing = key.new_zeros(key.shape[0], key.shape[2])
        out, *_ = _node(key, value, *self._constants(), nothing, nothing, torch.full_like(nothing, NEVER))
        return self.out(gate * out)

    def step(self, x_i: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:  # (B, d), (B, 4d) -> (B, d), (B, 4d)
        before, num, den, top = state.chunk(4, dim=-1)
        key, value, gate = self._project(x_i, before)
        out, *memory = _node(key, value, *self._constants(), num, den, top)
        return self.out(gate * out), torch.cat([x_i, *memory], dim=-1)


def operator_graphs(bundle: Bundle) -> dict[str, bytes]:
    """Return the graphs "encoder" and "step" with the operator, proven on the golden ticks in ONNX Runtime."""
    policy, replaced = with_operator(load_policy(bundle))
    network = bundle.manifest.network
    if not any(replaced.values()):
        raise Refused(f"operator {DOMAIN}::{NAME}", "a policy whose encoder or decoder is causal RWKV-4",
                      f"encoder {network.encoder}{', bidirectional' if network.bidirectional else ''}, "
                      f"decoder {network.decoder}", "use its plain graphs")
    graphs = {name: bundle.read(f"{name}.onnx") for name in replaced}
    with tempfile.TemporaryDirectory() as folder:
        for name in (name for name, count in replaced.items() if count):
            path = Path(folder) / f"{name}.onnx"
            if name == "encoder":
                write_encoder(EncoderGraph(policy, bundle.manifest.normaliser), path)
            else:
                write_step(StepGraph(policy), path)
            graphs[name] = path.read_bytes()
    golden.require(OnnxRuntimeBackend(bundle, graphs=graphs), bundle)
    return graphs


def with_operator(policy: Policy) -> tuple[Policy, dict[str, int]]:
    """Return a copy of a policy for export with the operator, and the number of operators in "encoder" and "step".

    A bidirectional encoder reads later slots, which a recurrence cannot do. It keeps its plain operations.
    """
    policy = copy.deepcopy(policy)
    replaced = {}
    for name, part in (("encoder", policy.encoder), ("step", policy.decoder)):
        mixers = [module for module in part.modules() if type(module) is TimeMix4 and not module.bidirectional]
        for mixer in mixers:
            mixer.__class__ = OperatorMix  # the same parameters under the same names, computed in another way
        replaced[name] = len(mixers)
    return policy, replaced


def _node(key: Tensor, value: Tensor, rate: Tensor, bonus: Tensor, num: Tensor, den: Tensor, top: Tensor
          ) -> list[Tensor]:
    shapes = [key.shape, num.shape, den.shape, top.shape]
    return list(torch.onnx.ops.symbolic_multi_out(
        f"{DOMAIN}::{NAME}", (key, value, rate, bonus, num, den, top), PLUGIN, dtypes=[torch.float32] * len(shapes),
        shapes=shapes, version=VERSION,
    ))


def main() -> int:
    """Write the graphs of a bundle with the operator into a folder."""
    parser = argparse.ArgumentParser(prog="python -m training.exporting.wkv", description=main.__doc__)
    parser.add_argument("bundle", type=Path, help="folder of the bundle")
    parser.add_argument("folder", type=Path, help="folder for encoder.onnx and step.onnx")
    given = parser.parse_args()
    try:
        graphs = operator_graphs(Bundle.load(given.bundle))
    except (Missing, Refused) as error:
        print(error, file=sys.stderr)
        return REFUSED
    given.folder.mkdir(parents=True, exist_ok=True)
    for name, graph in graphs.items():
        (given.folder / f"{name}.onnx").write_bytes(graph)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
