# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The policy bundle: what training hands to deployment, verified as it is read."""
