# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run the loop of training: collect, learn, log and save. The loop is the same for every algorithm."""
