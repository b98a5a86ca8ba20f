# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Register the operator mat_ros::WKV with TensorRT as a quick-deployable, ahead-of-time plugin without Python.

    key, value, rate, bonus, num, den, max -> out, num, den, max     all float32, shapes as in training/exporting/wkv.py

TensorRT copies the PTX into the engine. The launch is stored as expressions of the input shapes. The plugin has no
attributes, because an engine would not store them. The state is an input, and the shapes give the number of slots.

**This project has not run the plugin**: only enterprise TensorRT has `tensorrt.plugin`. The plugin is not expected to
be faster than the plain graph (docs/concepts/engines.md).
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
THREADS = (32, 64, 128)  # threads of a block that TensorRT tries, since a robot has few channels

_registered: set[Any] = set()  # modules with the plugin; a module refuses a second registration


def register(flavour: Flavour) -> None:
    """Register the plugin with a library that has ahead-of-time plugins, or raise an error of one sentence."""
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
        sizes = trtp.SymIntExprs(3)  # after the inputs and before the outputs, in the order of cuda/wkv_operator.cu
        for index, size in enumerate((lanes, rate.shape_expr.numel(), key.shape_expr.numel())):
            sizes[index] = trtp.SymInt32(size)
        return KERNEL, PTX.read_text(encoding="utf-8"), launch, sizes

    _registered.add(trtp)


def plugin_module(flavour: Flavour) -> Any:
    """Return the module with which plugins are registered."""
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
