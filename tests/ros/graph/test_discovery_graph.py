# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Processes that find each other through a server run on without it, and a new server introduces new processes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

pytest.importorskip("rclpy", reason="needs the ros extra")
pytest.importorskip("mat_ros.msg", reason="needs compiled messages")

from mat_ros.graph import discovery
from support.graph_run import GraphRun, Listener
from support.places import BUNDLES

pytestmark = pytest.mark.ros
if discovery.program() is None:
    pytest.skip("needs the discovery server of Fast DDS", allow_module_level=True)


class Server:
    """A discovery server that a test may end and start again."""

    def __init__(self) -> None:
        self.port = discovery.free_port(discovery.domain_of())
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(discovery.command(self.port), env=discovery.variables(),
                                        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        assert discovery.STARTED in self.process.stdout.readline()

    def kill(self) -> None:
        with self.process:
            self.process.kill()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    monkeypatch.setenv(discovery.ADDRESSES, f"127.0.0.1:{server.port}")
    monkeypatch.setenv(discovery.TOOL, "TRUE")  # the listener of the test is a tool
    yield server
    server.kill()


def test_a_graph_runs_without_its_server_and_takes_a_node_back_through_a_new_one(server):
    listener = Listener()
    try:
        with GraphRun(BUNDLES / "rwkv4") as run:
            assert listener.until(lambda: len(listener.applied) > 20)
            server.kill()
            seen = len(listener.applied)
            assert listener.until(lambda: len(listener.applied) > seen + 200)
            assert not any(listener.applied[-1].validity)  # every slot is decided by its own node
            server.start()
            run.processes["chain_elbow"].kill()
            run.processes["chain_elbow"].wait()
            assert listener.until(lambda: listener.applied[-1].validity[2] == 1)
            run.start("chain_elbow")
            assert listener.until(lambda: listener.applied[-1].validity[2] == 0)
            assert listener.until(lambda: listener.status is not None and listener.status.compared > seen)
            assert listener.status.differing == 0
    finally:
        listener.close()
