# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Update and decode by one compiled loop, equal to torch's to rounding and several times faster on a CPU."""
