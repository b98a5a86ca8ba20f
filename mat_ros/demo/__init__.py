# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run `mat-ros demo`: two hands push a double door open although a node is killed, and write a report of the run."""
