# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The deployment: which processes there are, as data; who starts, connects and supervises them."""
