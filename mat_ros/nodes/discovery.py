# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Become the discovery server of a graph. The process is no ROS node: the program of Fast DDS replaces it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from mat_ros.graph import discovery
from mat_ros.nodes.parameters import read_parameters


def main(arguments: Sequence[str]) -> int:
    """Replace this process by the server, or end with status 1 where the server cannot run."""
    _, values = read_parameters(arguments)
    command = discovery.command(int(values["port"]))
    try:
        os.execve(command[0], command, discovery.variables())
    except OSError as error:
        print(f"{discovery.SERVER}: {command[0]}: {error}", file=sys.stderr)
    return 1
