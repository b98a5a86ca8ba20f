# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Build sequence policies of interchangeable mixers. Tests prove the parallel and the step form of each equal."""

from training.models.config import PolicyConfig, policy_config
from training.models.policy import Policy, build_policy

__all__ = ["Policy", "PolicyConfig", "build_policy", "policy_config"]
