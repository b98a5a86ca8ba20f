# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run a graph whose processes find each other through a discovery server, end the server, and start another one.

Fast DDS remembers a server for the rest of a process. So this is a program of its own, and not a test among others.
"""

from __future__ import annotations

import os
import subprocess

from mat_ros.graph import discovery
from support.graph_run import GraphRun, Listener
from support.places import BUNDLES


class Server:
    """A discovery server that may be ended and started again."""

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


def main() -> None:
    server = Server()
    os.environ[discovery.ADDRESSES] = f"127.0.0.1:{server.port}"
    os.environ[discovery.TOOL] = "TRUE"  # the listener is a tool
    listener = Listener()
    try:
        with GraphRun(BUNDLES / "rwkv4") as run:
            assert listener.until(lambda: len(listener.applied) > 20), "the graph does not run"
            server.kill()
            seen = len(listener.applied)
            assert listener.until(lambda: len(listener.applied) > seen + 200), "the graph needs its server"
            assert not any(listener.applied[-1].validity), "a slot is not decided by its own node"
            server.start()
            run.processes["chain_elbow"].kill()
            run.processes["chain_elbow"].wait()
            assert listener.until(lambda: listener.applied[-1].validity[2] == 1), "no node decides for the killed one"
            run.start("chain_elbow")
            assert listener.until(lambda: listener.applied[-1].validity[2] == 0), "the new server introduces nobody"
            assert listener.until(lambda: listener.status is not None and listener.status.compared > seen)
            assert listener.status.differing == 0, "a tick differs"
    finally:
        listener.close()
        server.kill()


if __name__ == "__main__":
    main()
