# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Import what nodes need before they are forked, so that a fork has it at once and shares the memory."""

from __future__ import annotations

import sys

from mat_ros.graph import forked
from mat_ros.graph.forked import NodeMain
from mat_ros.nodes.__main__ import main


def preload() -> NodeMain | None:
    """Import what most nodes need and return what a fork runs; None where no node may be forked now."""
    if sys.platform != "linux":
        return None
    forked.keep_numpy_single_threaded()
    try:  # here and not above: ROS is large, may be missing, and is no business of commands that start no graph
        from rclpy.type_support import check_for_type_support

        import mat_ros.nodes.chain_node  # noqa: F401  it needs all that most nodes need
        from mat_ros.nodes import topics
    except ImportError:
        return None  # the node itself will say what is missing
    for kind in {topic.type for topic in vars(topics).values() if isinstance(topic, topics.Topic)}:
        check_for_type_support(kind)  # loads the compiled part of a message
    return main if forked.may_fork() else None
