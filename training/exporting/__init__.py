# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Write what a trained policy becomes: its graphs, and the bundle that holds them."""
