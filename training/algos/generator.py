# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Draw random numbers on the device that computes the networks."""

from __future__ import annotations

import torch


def generator_on(device: torch.device, generator: torch.Generator) -> torch.Generator:
    """Return a generator on the device: the given one on a CPU, or a new one seeded from it on a GPU."""
    if device.type == "cpu":
        return generator
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.Generator(device).manual_seed(seed)

