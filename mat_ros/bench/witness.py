# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Watch a graph from outside: print each tick of the gate and each report of a node, and resume on request.

A launcher forks its nodes only while it does not run ROS itself. So this witness is a process of its own. It writes
lines to its standard output, and `resume ROBOT` on its standard input undoes a stop.

    tick TIME_NS WHOLE STOPPED     WHOLE: the own node of every slot has decided
    report TIME_NS NAME PID ACTIVE
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from mat_ros.core.wire import tick as wire


def main(act_dim: int) -> int:
    """Watch until the standard input ends."""
    import rclpy  # imported here: ROS is an extra, and the help of `mat-ros bench` works without ROS

    from mat_ros.nodes import topics

    rclpy.init(args=[])
    node = rclpy.create_node("witness")
    client: Any = node.create_client(topics.RESUME[1], topics.RESUME[0])
    ended = threading.Event()

    def ticked(data: bytes) -> None:
        outcome, _ = wire.read_applied(data, act_dim)
        print("tick", time.monotonic_ns(), int((outcome.validity == 0).all()), int(outcome.applied.stopped), flush=True)

    def reported(message: Any) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            print("report", time.monotonic_ns(), status.name.rpartition("/")[2].replace(" ", "_"),
                  values.get("pid", "0"), int(values.get("active") == "True"), flush=True)

    def obey() -> None:
        for line in sys.stdin:
            client.call_async(topics.RESUME[1].Request(robot=line.split()[1]))
        ended.set()

    node.create_subscription(topics.APPLIED.type, topics.APPLIED.name, ticked, topics.APPLIED.qos, raw=True)
    node.create_subscription(topics.DIAGNOSTICS.type, topics.DIAGNOSTICS.name, reported, topics.DIAGNOSTICS.qos)
    threading.Thread(target=obey, daemon=True).start()
    while not ended.is_set():
        rclpy.spin_once(node, timeout_sec=0.2)
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
