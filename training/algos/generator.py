# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Bring a generator of random numbers to the device on which the networks compute."""

from __future__ import annotations

import torch


def generator_on(device: torch.device, generator: torch.Generator) -> torch.Generator:
    """Continue a generator where the networks compute; a GPU draws from its own."""
    if device.type == "cpu":
        return generator
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.Generator(device).manual_seed(seed)

