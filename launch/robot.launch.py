# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Start the graph of any robot.

`ros2 launch mat_ros robot.launch.py --show-args` lists the arguments.
"""

from launch import LaunchDescription
from mat_ros.graph.launch_actions import describe


def generate_launch_description() -> LaunchDescription:
    """Return the graph of the deployment `robot` as launch actions."""
    return describe("robot")
