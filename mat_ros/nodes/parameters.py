# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Read the ROS command line of a process that is no ROS node. rclpy is not needed for this."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from mat_ros.core.errors import Refused
from mat_ros.core.options import Value
from mat_ros.core.plain import read_yaml_file


def read_parameters(arguments: Sequence[str]) -> tuple[str, Mapping[str, Value]]:
    """Return the namespace and the parameters of a ROS command line."""
    namespace, values = "", dict[str, Value]()
    for flag, value in itertools.pairwise(arguments):
        name, _, text = value.partition(":=")
        if flag == "-r" and name == "__ns":
            namespace = text.strip("/")
        elif flag == "-p":
            values[name] = yaml.safe_load(text)
        elif flag == "--params-file":
            values |= _parameters(Path(value))
    return namespace, values


def _parameters(file: Path) -> Mapping[str, Value]:
    """Return the parameters of a file, of every node that it names."""
    nodes = read_yaml_file(file, "parameter file")
    found: dict[str, Value] = {}
    for node in nodes.values() if isinstance(nodes, dict) else (nodes,):
        own = node.get("ros__parameters", {}) if isinstance(node, dict) else None
        if not isinstance(own, dict) or not all(isinstance(value, Value) for value in own.values()):
            raise Refused(f"parameter file {file}", "driver: {ros__parameters: {hardware: fake}}", nodes, "write it so")
        found |= {str(name): value for name, value in own.items()}
    return found
