# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Share a run of the tests out to several processes, file by file."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

GRAPHS, NO_GRAPHS = "tests/ros/", "tests/ros/package/"


def unit(nodeid: str) -> str:
    """Return what a test has to stay together with.

    A file makes once what its tests share. The tests that run graphs are one unit, whatever their file: at the same
    time, they would wait for each other's processes.
    """
    file = nodeid.partition("::")[0]
    return GRAPHS if file.startswith(GRAPHS) and not file.startswith(NO_GRAPHS) else file


class FileScheduling(LoadScopeScheduling):
    """Give each process the next unit. The quick tests of a file and its slow ones are units of their own."""

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """Take the tests, in the order of the tiers, that a process has found."""
        runs = enumerate(itertools.groupby(collection, unit))
        self._scopes = {nodeid: f"{name} {number}" for number, (name, nodeids) in runs for nodeid in nodeids}
        self.config.option.loadscopereorder = False  # the order is that of the tiers
        super().add_node_collection(node, collection)

    def _split_scope(self, nodeid: str) -> str:
        return self._scopes[nodeid]
