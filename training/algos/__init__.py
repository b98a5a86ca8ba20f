# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define the training algorithms. One trainer and one rollout serve all of them."""

from __future__ import annotations

from training.algos.registry import build_learner

__all__ = ["build_learner"]
