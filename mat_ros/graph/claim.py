# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Claim the names of a graph's nodes on this machine, so that a second graph of these names does not take part in it.

Graphs of one ROS domain and namespace hear each other: a supervisor would activate the nodes of the other, and a gate
apply its decisions. A claim is a listening socket without a file, by which nothing is ever said. The kernel frees it
with the last process that holds it, however that ends, and it reaches as far as the loopback does: a container with a
network of its own has names of its own.
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

FREED_S = 10.0  # longest that the nodes of a launcher that was killed may take to end
LOOK_S = 0.1
CREDENTIALS = struct.Struct("3i")  # process, user and group at the other end of a socket


def claim(graph: Graph, environment: Mapping[str, str] = os.environ) -> list[socket.socket]:
    """Claim all names of a graph, or none; they are free again once the sockets are closed wherever they are open."""
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
        holder = _holder(address)
        if _runs(holder) or time.monotonic() > give_up:
            raise Refused(f"graph of ROS domain {domain} and namespace {place}", "no other one there",
                          f"one that process {holder} has started, with a node {name} as well",
                          "end it, or give this one a ROS_DOMAIN_ID or namespace:=... of its own")
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


def _holder(address: str) -> int:
    """Return the process that made a claim; 0 where it cannot be told."""
    with socket.socket(socket.AF_UNIX) as asker, contextlib.suppress(OSError):
        asker.setblocking(False)
        asker.connect(address)
        pid: int = CREDENTIALS.unpack(asker.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))[0]
        return pid
    return 0


def _runs(pid: int) -> bool:
    """Tell a launcher from one that was killed: the claims of that are held by what ends its nodes, for seconds."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
