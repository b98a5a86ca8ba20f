# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Send every message back: `python echo_process.py TYPE` hears /there and answers on /back until it is interrupted."""

import signal
import sys

import rclpy
from rclpy.executors import ExternalShutdownException

import mat_ros.msg


def main() -> None:
    message_type = getattr(mat_ros.msg, sys.argv[1])
    rclpy.init()
    node = rclpy.create_node("echo")
    publisher = node.create_publisher(message_type, "back", 1)
    node.create_subscription(message_type, "there", publisher.publish, 1)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not tear the clean-up
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
