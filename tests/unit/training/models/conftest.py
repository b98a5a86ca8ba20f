# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Build policies whose every parameter has moved: a new policy begins with zeros, which would hide mistakes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def shaken_policy() -> Callable[..., Any]:
    """Return a function that builds a policy by preset name and adds seeded noise to all its parameters."""
    torch = pytest.importorskip("torch", reason="needs the train extra")
    from training.models import build_policy, policy_config

    def build(name: str, agents: int, obs_dim: int = 5, act_dim: int = 2, dtype: Any = None, **overrides: Any) -> Any:
        torch.manual_seed(1)
        policy = build_policy(policy_config(name, agents, obs_dim, act_dim, **{"width": 16, **overrides}))
        with torch.no_grad():
            for parameter in policy.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        return policy.to(dtype or torch.float64)

    return build
