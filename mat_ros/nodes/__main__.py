# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Start nodes: `python -m mat_ros.nodes EXECUTABLE [--ros-args ...] [+ EXECUTABLE ...]`.

Nodes that are joined by `+` share the process. SIGINT and SIGTERM both end the process in order and with status 0: the
robot walks to its fallback first. Status 2 means that a parameter was refused, and status 4 that a file is not whole.
MAT_ROS_EXECUTOR=single selects ROS's default executor, which is slower than the executor that waits for events.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

from mat_ros.core.errors import REFUSED, Missing, Refused
from mat_ros.graph import ros_environment
from mat_ros.nodes.discovery import main as serve
from mat_ros.nodes.driver import main as drive

# Rows: executable -> module:class. A module is imported only where it runs.
EXECUTABLES = {
    "sim": "mat_ros.nodes.sim:SimNode",
    "observer": "mat_ros.nodes.observer:ObserverNode",
    "encoder": "mat_ros.nodes.encoder:EncoderNode",
    "chain_node": "mat_ros.nodes.chain_node:ChainShell",
    "safety": "mat_ros.nodes.safety:SafetyNode",
    "supervisor": "mat_ros.nodes.supervisor:SupervisorNode",
    "checker": "mat_ros.nodes.checker:CheckerNode",
    "injector": "mat_ros.nodes.injector:InjectorNode",
    "detector": "mat_ros.nodes.detector:DetectorNode",
    "recorder": "mat_ros.nodes.recorder:RecorderNode",
    "viewer": "mat_ros.nodes.viewer:ViewerNode",
}
# Executables that are no ROS nodes: the driver outlives those that are, and the discovery server introduces them.
BARE = {"driver": drive, "discovery": serve}
SIGNALS = {signal.SIGINT, signal.SIGTERM}
LONG_S = 3600.0  # EventsExecutor never wakes without a timeout


def main(arguments: Sequence[str]) -> int:
    """Run nodes until a signal comes, a node ends the process, or a parameter is refused."""
    if arguments and arguments[0] in BARE:
        return BARE[arguments[0]](arguments[1:])
    groups = _groups(arguments)
    # Signals are blocked before any thread exists, so that only the waiting thread below receives them.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    ros_environment.set_defaults()
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    end: Any = rclpy.Future()
    threading.Thread(target=_wait_for_signal, args=(end,), daemon=True).start()
    executor = _executor()
    nodes = []
    try:
        # Both happen after an error in a callback too: the robot has to reach its fallback.
        with contextlib.ExitStack() as destroy, contextlib.ExitStack() as leave:
            destroy.callback(rclpy.try_shutdown)
            for name, ros_arguments in groups:
                node = _load(name)(cli_args=list(ros_arguments), use_global_arguments=False)
                node.ends = end
                nodes.append(node)
                destroy.callback(node.destroy_node)
                destroy.callback(executor.remove_node, node)
                leave.callback(_leave, node)
                executor.add_node(node)
            while not end.done():
                executor.spin_until_future_complete(end, LONG_S)
        return int(end.result()) or max(node.status for node in nodes)
    except (Refused, Missing) as error:
        print(f"{' + '.join(name for name, _ in groups)}: {error}", file=sys.stderr)
        return REFUSED


def _leave(node: Any) -> None:
    """Let a node release its parts where it has any."""
    if node.configured:
        node.leave()


def _groups(arguments: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Split the command line at each `+`; return the executable and the arguments of each node."""
    groups: list[list[str]] = [[]]
    for argument in arguments:
        if argument == "+":
            groups.append([])
        else:
            groups[-1].append(argument)
    for group in groups:
        if not group or group[0] not in EXECUTABLES:
            print(f"expected one of {', '.join(EXECUTABLES)}, got {group[0] if group else 'nothing'}; "
                  "`python -m mat_ros.nodes EXECUTABLE --ros-args -p name:=value`", file=sys.stderr)
            raise SystemExit(REFUSED)
    return [(group[0], group[1:]) for group in groups]


def _load(executable: str) -> Any:
    module, _, name = EXECUTABLES[executable].partition(":")
    return getattr(importlib.import_module(module), name)


def _executor() -> Any:
    from rclpy.executors import SingleThreadedExecutor

    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:  # ROS before Jazzy
        return SingleThreadedExecutor()
    return SingleThreadedExecutor() if os.environ.get("MAT_ROS_EXECUTOR") == "single" else EventsExecutor()


def _wait_for_signal(end: Any) -> None:
    signal.sigwait(SIGNALS)
    if not end.done():
        end.set_result(0)


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # The nodes have ended by now. A normal end of the interpreter would destroy the DDS participant, where Fast DDS 3.2
    # may spin for ever when other nodes leave at the same moment: 4 of 2,000 nodes that ended twelve at a time did.
    os._exit(status)
