# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The graphs of a policy: what `python -m training.export` writes into a bundle."""
