# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define the parts of one training run: settings, processes, the learner, the rollout and the normalisers."""
