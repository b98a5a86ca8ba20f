# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Keep an Adam optimiser as named tensors, so that a checkpoint needs no pickle."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MOMENTS = ("exp_avg", "exp_avg_sq")


def optimiser_tensors(label: str, optimiser: torch.optim.Adam, network: nn.Module) -> dict[str, Tensor]:
    """Give step counts and moments as `label.parameter.moment`; before the first step there are none."""
    found = {}
    for name, parameter in network.named_parameters():
        for key, value in optimiser.state.get(parameter, {}).items():
            found[f"{label}.{name}.{key}"] = value.detach()
    return found


def load_optimiser(label: str, optimiser: torch.optim.Adam, network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Take what `optimiser_tensors` gave."""
    for name, parameter in network.named_parameters():
        prefix = f"{label}.{name}."
        if prefix + "step" in tensors:
            # Adam keeps its step counts on the processor, except where one kernel steps everything on the GPU.
            fused = optimiser.param_groups[0]["fused"]
            state = {key: tensors[prefix + key].to(parameter.device).clone() for key in MOMENTS}
            step = tensors[prefix + "step"].to(parameter.device if fused else "cpu").clone()
            optimiser.state[parameter] = {"step": step, **state}
