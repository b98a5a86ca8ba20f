# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Start the graph of two dexterous hands.

`ros2 launch mat_ros dexhands.launch.py --show-args` lists the arguments.
"""

from launch import LaunchDescription
from mat_ros.graph.launch_actions import describe


def generate_launch_description() -> LaunchDescription:
    """Return the graph of the deployment `dexhands` as launch actions."""
    return describe("dexhands")
