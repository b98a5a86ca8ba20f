# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The subcommands of mat-ros, one module each: main(arguments) returns the exit status; table.py lists them."""
