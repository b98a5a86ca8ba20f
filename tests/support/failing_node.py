# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A node whose timer raises, run as every node is: `python -m support.failing_node --ros-args -p policy:=FOLDER`."""

from __future__ import annotations

import sys

from mat_ros.nodes import __main__ as program
from mat_ros.nodes.shell import Shell


class FailingNode(Shell):
    role = "encoder"

    def set_up(self) -> None:
        self.create_timer(0.01, self._fail)

    def _fail(self) -> None:
        raise RuntimeError("a mistake of ours")

    def leave(self) -> None:
        print("the robot is at its fallback", flush=True)


if __name__ == "__main__":
    program.EXECUTABLES["failing"] = "support.failing_node:FailingNode"
    sys.exit(program.main(["failing", *sys.argv[1:]]))
