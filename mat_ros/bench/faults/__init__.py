# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run `mat-ros bench faults`: break one part after the other, measure the remaining return, and write a report."""
