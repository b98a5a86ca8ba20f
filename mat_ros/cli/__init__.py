# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define the subcommands of mat-ros, one module each; table.py lists them. main(arguments) returns the exit status."""
