# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""The launch file under ROS's own launch, where that is installed."""

from __future__ import annotations

import pytest

launch_pytest = pytest.importorskip("launch_pytest", reason="needs ROS's own launch (it is on no registry)")

import rclpy  # noqa: E402
from launch.actions import IncludeLaunchDescription  # noqa: E402
from launch.launch_description import LaunchDescription  # noqa: E402
from launch.launch_description_sources import PythonLaunchDescriptionSource  # noqa: E402

from mat_ros.nodes import topics  # noqa: E402
from support.places import ROOT  # noqa: E402

pytestmark = [pytest.mark.ros, pytest.mark.sim]

FILE = ROOT / "launch" / "dexhands.launch.py"
TICKS = 20
PATIENCE_S = 120.0


@launch_pytest.fixture
def door() -> LaunchDescription:
    """Launch the door with few processes."""
    source = PythonLaunchDescriptionSource(str(FILE))
    arguments = {"wiring": "central", "check": "false", "namespace": "under_test"}
    return LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments.items()),
                              launch_pytest.actions.ReadyToTest()])


@pytest.mark.launch(fixture=door)
def test_the_launched_graph_decides_tick_after_tick():
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("listener", namespace="under_test", context=context)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    heard: list[int] = []
    node.create_subscription(topics.APPLIED.type, topics.APPLIED.name, lambda m: heard.append(m.tick),
                             topics.APPLIED.qos)
    give_up = node.get_clock().now().nanoseconds + int(PATIENCE_S * 1e9)
    while len(heard) < TICKS and node.get_clock().now().nanoseconds < give_up:
        executor.spin_once(timeout_sec=0.1)
    node.destroy_node()
    rclpy.try_shutdown(context=context)
    assert len(heard) >= TICKS and heard == sorted(set(heard))
