# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The conversion of a tick's messages to bytes, and of bytes to messages."""
