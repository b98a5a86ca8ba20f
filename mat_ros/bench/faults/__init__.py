# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""`mat-ros bench faults`: break one thing after the other, measure what is left of a policy, and report it."""
