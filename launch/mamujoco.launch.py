# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Start the graph of a robot that runs, such as HalfCheetah.

`ros2 launch mat_ros mamujoco.launch.py --show-args` lists the arguments.
"""

from launch import LaunchDescription
from mat_ros.graph.launch_actions import describe


def generate_launch_description() -> LaunchDescription:
    """Return the graph of the deployment `mamujoco` as launch actions."""
    return describe("mamujoco")
