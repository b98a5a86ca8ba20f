# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Convert an Adam optimiser to named tensors and back, so that a checkpoint needs no pickle."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MOMENTS = ("exp_avg", "exp_avg_sq")


def optimiser_tensors(label: str, optimiser: torch.optim.Adam, network: nn.Module) -> dict[str, Tensor]:
    """Return step counts and moments as `label.parameter.moment`. There are none before the first step."""
    found = {}
    for name, parameter in network.named_parameters():
        for key, value in optimiser.state.get(parameter, {}).items():
            found[f"{label}.{name}.{key}"] = value.detach()
    return found


def load_optimiser(label: str, optimiser: torch.optim.Adam, network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Load the tensors that `optimiser_tensors` returned."""
    for name, parameter in network.named_parameters():
        prefix = f"{label}.{name}."
        if prefix + "step" in tensors:
            # Adam keeps its step counts on the CPU, except where one kernel steps all parameters on the GPU.
            fused = optimiser.param_groups[0]["fused"]
            state = {key: tensors[prefix + key].to(parameter.device).clone() for key in MOMENTS}
            step = tensors[prefix + "step"].to(parameter.device if fused else "cpu").clone()
            optimiser.state[parameter] = {"step": step, **state}
