# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmark the training, one module for each benchmark; `python -m training.bench --help` lists them."""
