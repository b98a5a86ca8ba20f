# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Export a trained policy: write its graphs, and the bundle that holds them."""
