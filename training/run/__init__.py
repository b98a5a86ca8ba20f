# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""What one run of training is made of: settings, processes, the learner, what is collected and how it is scaled."""
