# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks that `mat-ros bench` runs, one module for each: `main(arguments)` returns the exit status."""
