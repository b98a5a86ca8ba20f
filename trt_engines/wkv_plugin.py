# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Offer the operator mat_ros::WKV to TensorRT as a quick-deployable plugin, ahead of time: no Python at run time.

    key, value, rate, bonus, num, den, max -> out, num, den, max     all float32, shapes as in training/exporting/wkv.py

TensorRT copies the PTX into the engine, with the launch as expressions of the input shapes. The plugin has no
attributes, which an engine would not keep: the state is an input, and whether one slot or many follows from the shapes.

**Not run by this project**: `tensorrt.plugin` is part of enterprise TensorRT only, and a WKV plugin is not expected to
pay (docs/concepts/engines.md).
"""

# No `from __future__ import annotations`: tensorrt.plugin reads the annotations below as objects.
import importlib
from pathlib import Path
from typing import Any

from mat_ros.backends.tensorrt_flavour import MODULES, Flavour
from mat_ros.core.errors import Refused

PLUGIN = "mat_ros::WKV"
KERNEL = "mat_ros_wkv"
PTX = Path(__file__).with_name("wkv_operator.ptx")
INPUTS, OUTPUTS = 7, 4
THREADS = (32, 64, 128)  # of a block: a robot has so few channels that TensorRT may as well try

_registered: set[Any] = set()  # modules that have it: a second time would be an error to them


def register(flavour: Flavour) -> None:
    """Register the plugin with a library that has ahead-of-time plugins, or refuse in one sentence."""
    trtp = plugin_module(flavour)
    if trtp in _registered:
        return

    @trtp.register(PLUGIN)
    def describe(key: trtp.TensorDesc, value: trtp.TensorDesc, rate: trtp.TensorDesc, bonus: trtp.TensorDesc,
                 num: trtp.TensorDesc, den: trtp.TensorDesc, top: trtp.TensorDesc
                 ) -> tuple[trtp.TensorDesc, trtp.TensorDesc, trtp.TensorDesc, trtp.TensorDesc]:
        return key.like(), num.like(), den.like(), top.like()

    @trtp.autotune(PLUGIN)
    def choose(key: trtp.TensorDesc, value: trtp.TensorDesc, rate: trtp.TensorDesc, bonus: trtp.TensorDesc,
               num: trtp.TensorDesc, den: trtp.TensorDesc, top: trtp.TensorDesc, outputs: tuple[trtp.TensorDesc]
               ) -> list[trtp.AutoTuneCombination]:
        return [trtp.AutoTuneCombination(", ".join(["FP32"] * (INPUTS + OUTPUTS)), "LINEAR", THREADS)]

    @trtp.aot_impl(PLUGIN)
    def compiled(key: trtp.TensorDesc, value: trtp.TensorDesc, rate: trtp.TensorDesc, bonus: trtp.TensorDesc,
                 num: trtp.TensorDesc, den: trtp.TensorDesc, top: trtp.TensorDesc, outputs: tuple[trtp.TensorDesc],
                 tactic: int) -> tuple[str, str, trtp.KernelLaunchParams, trtp.SymIntExprs]:
        threads = tactic or THREADS[0]
        lanes = num.shape_expr.numel()
        launch = trtp.KernelLaunchParams()
        launch.grid_x, launch.block_x, launch.shared_mem = trtp.cdiv(lanes, threads), threads, 0
        sizes = trtp.SymIntExprs(3)  # behind the inputs and before the outputs, as cuda/wkv_operator.cu takes them
        for index, size in enumerate((lanes, rate.shape_expr.numel(), key.shape_expr.numel())):
            sizes[index] = trtp.SymInt32(size)
        return KERNEL, PTX.read_text(encoding="utf-8"), launch, sizes

    _registered.add(trtp)


def plugin_module(flavour: Flavour) -> Any:
    """Give the module that plugins are registered with."""
    mend = "leave --wkv-plugin out: the plain graph also becomes fewer kernels"
    if not hasattr(flavour.module, "QuickPluginCreationRequest"):
        raise Refused(f"plugin {PLUGIN}", "a library with ahead-of-time plugins (QuickPluginCreationRequest)",
                      f"{flavour.name} {flavour.version}", mend)
    reasons = []
    for name in (flavour.module.__name__, *MODULES[flavour.name]):
        try:
            return importlib.import_module(f"{name}.plugin")
        except ImportError as error:
            reasons.append(f"{name}.plugin: {error}")
    raise Refused(f"plugin {PLUGIN}", "a module tensorrt.plugin", "; ".join(reasons), mend)
