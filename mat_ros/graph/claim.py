# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Claim the names of a graph's nodes on this machine, so that a second graph with these names is refused.

Graphs of one ROS domain and namespace receive each other's messages: a supervisor would activate the nodes of the other
graph, and a gate would apply decisions of the other graph. A claim is a listening socket without a file. No data passes
through the socket. The kernel frees a claim when the last process that holds the socket ends, whatever ends the
process. A claim reaches as far as the loopback does: a container with a network of its own has names of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path

from mat_ros.core.errors import Refused
from mat_ros.graph.build import Graph

FREED_S = 10.0  # longest time that the nodes of a killed launcher may take to end
LOOK_S = 0.1  # time between two attempts to claim a name
CREDENTIALS = struct.Struct("3i")  # process, user and group at the other end of a socket


def claim(graph: Graph, environment: Mapping[str, str] = os.environ) -> list[socket.socket]:
    """Claim all names of a graph, or none. A name is free again once its socket is closed in every process."""
    domain = environment.get("ROS_DOMAIN_ID") or "0"
    place = f"/{graph.namespace.strip('/')}"
    with contextlib.ExitStack() as held:
        claims = [held.enter_context(_claim(node.name, place, domain)) for node in graph.nodes]
        held.pop_all()
    return claims


def _claim(name: str, place: str, domain: str) -> socket.socket:
    address = "\0mat_ros/" + hashlib.sha256(f"{domain} {place} {name}".encode()).hexdigest()
    give_up = time.monotonic() + FREED_S
    while (found := _listen(address)) is None:
        holder, user = _holder(address)
        if _runs(holder) or time.monotonic() > give_up:
            raise Refused(f"graph of ROS domain {domain} and namespace {place}", "no other graph",
                          f"a graph of process {holder} of user {user} that also has a node {name}",
                          "end that graph, or give this graph its own ROS_DOMAIN_ID or namespace:=...")
        time.sleep(LOOK_S)
    return found


def _listen(address: str) -> socket.socket | None:
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(address)
        claim.listen()
    except OSError:
        claim.close()
        return None
    return claim


def _holder(address: str) -> tuple[int, int]:
    """Return the process that made a claim, and its user; process 0 and user -1 where the kernel reports neither.

    Any user of the machine may make a claim. To take it for none would let a supervisor activate another user's robot.
    """
    with socket.socket(socket.AF_UNIX) as asker, contextlib.suppress(OSError):
        asker.setblocking(False)
        asker.connect(address)
        pid, user, _ = CREDENTIALS.unpack(asker.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
        return pid, user
    return 0, -1


def _runs(pid: int) -> bool:
    """Return whether a launcher runs. The claims of a killed launcher stay for seconds: its warden holds them too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
