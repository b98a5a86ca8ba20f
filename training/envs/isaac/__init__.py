# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run the tasks of Isaac Gym and Isaac Lab behind our protocol, where they are installed.

Neither runs on the machines that test this project: the adapters have met stand-ins that keep the documented contracts,
never the real thing.
"""
