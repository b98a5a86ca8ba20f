# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Write the command that starts a node as a process, and describe the exit status of that process."""

from __future__ import annotations

import json
import signal
import sys

from mat_ros.core.errors import INCOMPLETE
from mat_ros.core.options import Value
from mat_ros.graph.build import Graph, NodeSpec


def node_command(spec: NodeSpec, graph: Graph) -> list[str]:
    """Return the command that runs a node in an interpreter of its own."""
    return [sys.executable, "-m", "mat_ros.nodes", *node_arguments(spec, graph)]


def node_arguments(spec: NodeSpec, graph: Graph) -> list[str]:
    """Return the arguments of `mat_ros.nodes`: the executable, then name, namespace and parameters for ROS."""
    arguments = [spec.executable, "--ros-args", "-r", f"__node:={spec.name}"]
    if graph.namespace:
        arguments += ["-r", f"__ns:=/{graph.namespace.strip('/')}"]
    for name, value in spec.parameters.items():
        arguments += ["-p", f"{name}:={yaml_value(value)}"]
    return arguments


def yaml_value(value: Value) -> str:
    """Return a parameter as YAML of the same type: a text stays a text, even where the text looks like a number."""
    written = json.dumps(value, ensure_ascii=False)
    return written.replace("e", ".0e") if isinstance(value, float) and "." not in written else written


def ending(status: int) -> str:
    """Return words for the exit status of a process; a negative status is the number of a signal."""
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    if status == INCOMPLETE:
        return "has ended; its file is not whole, because the disk took no more"
    return "has ended" if status == 0 else f"has ended with status {status}"


def shell_status(status: int) -> int:
    """Return the exit status that a shell reports for a process; a negative status is the number of a signal."""
    return 128 - status if status < 0 else status
