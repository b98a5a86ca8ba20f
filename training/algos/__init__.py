# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The ways to learn. One trainer and one rollout serve them all; an algorithm is what differs and nothing else."""

from __future__ import annotations

from training.algos.registry import build_learner

__all__ = ["build_learner"]
