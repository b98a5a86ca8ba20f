# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""How the messages of a tick become bytes, and bytes messages."""
