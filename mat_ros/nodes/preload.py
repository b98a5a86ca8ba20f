# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Import modules and open the policy before a fork, so that a forked node has them at once and shares their memory."""

from __future__ import annotations

import gc
import sys

from mat_ros.backends.choose import open_ahead
from mat_ros.core.policy.bundle import Bundle
from mat_ros.graph import forked
from mat_ros.graph.forked import NodeMain
from mat_ros.nodes.__main__ import main


def preload(bundle: Bundle, backend: str) -> NodeMain | None:
    """Import the modules of most nodes and open a backend of the policy.

    Return the function that a fork runs; None: no fork is possible now.
    """
    if sys.platform != "linux":
        return None
    forked.keep_numpy_single_threaded()
    try:  # not at the top: ROS is large, may be missing, and only commands that start a graph need it
        from rclpy.type_support import check_for_type_support

        import mat_ros.nodes.chain_node  # noqa: F401  this module imports what most nodes need
        from mat_ros.nodes import topics
    except ImportError:
        return None  # the node itself reports the missing package
    for kind in {topic.type for topic in vars(topics).values() if isinstance(topic, topics.Topic)}:
        check_for_type_support(kind)  # loads the compiled part of a message
    open_ahead(backend, bundle)
    gc.collect()
    gc.freeze()  # a forked node does not look through what it shares
    return main if forked.may_fork() else None
