# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Read the ROS command line of a process that is no ROS node. rclpy is not needed for this."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from mat_ros.core.options import Value


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
            for node in yaml.safe_load(Path(value).read_text(encoding="utf-8")).values():
                values |= node.get("ros__parameters", {})
    return namespace, values
