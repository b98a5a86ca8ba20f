# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run the tasks of Isaac Gym and Isaac Lab behind our protocol, where they are installed.

The machines that test this project have neither simulator. The tests run the adapters against stand-ins that keep the
documented contracts.
"""
