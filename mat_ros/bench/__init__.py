# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run the benchmarks of `mat-ros bench`, one module for each; `main(arguments)` returns the exit status."""
