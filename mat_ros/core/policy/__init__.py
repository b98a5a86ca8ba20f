# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The policy bundle: the folder that training hands to deployment, verified when it is read."""
