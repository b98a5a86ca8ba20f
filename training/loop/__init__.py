# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The loop of training: collect, learn, measure, keep; the same for every algorithm."""
