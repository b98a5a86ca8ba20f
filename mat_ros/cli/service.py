# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Call a service of a graph that runs. rclpy is imported when a service is called, since it is an extra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mat_ros.core.errors import Missing
from mat_ros.graph import discovery

PATIENCE_S = 5.0  # longest wait for the node that answers, and for its answer


def call(namespace: str, kind: Any, service: str, request: Any, server: str, absent: str,
         patience_s: float = PATIENCE_S) -> Any:
    """Return the answer to a request. `server` names the node that answers; `absent` says what to do without it."""
    import rclpy

    discovery.join()
    rclpy.init()
    node = rclpy.create_node(f"mat_ros_{service}", namespace=namespace)
    try:
        client: Any = node.create_client(kind, service)
        if not client.wait_for_service(patience_s):
            raise Missing(f"{server} in the graph", absent)
        future = client.call_async(request)
        spin: Callable[..., None] = rclpy.spin_until_future_complete
        spin(node, future, timeout_sec=patience_s)
        if not future.done():
            raise Missing(f"an answer of {server}", "see whether it still runs")
        return future.result()
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
