# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks of training, one module each; `python -m training.bench --help` runs them."""
