# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Let the processes of a large graph find each other through a discovery server.

Without a server, every process announces each of its ends of topics and services to every other process, so that the
time of a start grows with the square of their number. With a server, a process announces its ends to the server alone,
which passes them on to the processes that have the other end. The server is a process of the graph. It only introduces
the others: messages do not pass through it, and a graph that runs does not need it.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path

from mat_ros.graph.ros_environment import LOOPBACK_PROFILE

SERVER = "discovery"  # name and executable of the process
DISCOVERIES = ("auto", "server", "plain")  # values of the launch argument
LARGE = 30  # processes from which on `auto` means `server`
ADDRESSES = "ROS_DISCOVERY_SERVER"  # variable that names the servers of a process, separated by semicolons
TOOL = "ROS_SUPER_CLIENT"  # variable by which a server tells a process about all ends, and not of its partners alone
LIBRARIES = "LD_LIBRARY_PATH"
SERVE = "42"  # number by which the tool `fastdds discovery` asks the program to serve
STARTED, START_S = b"Server started", 2.0  # the first line of a server that runs, and the longest wait for it
NO_SERVER = (ADDRESSES, TOOL, "FASTDDS_DEFAULT_PROFILES_FILE")  # variables of the processes that a server introduces
LOOPBACK = "127.0.0.1"
DOMAIN_PORTS, FIRST_PORT = 250, 7400  # ports that DDS gives to each domain, and the first port of domain 0
LAST_PORT = 65535
OWN_PORTS = range(242, 250)  # of the ports of a domain, those that are behind its last participant


def program() -> Path | None:
    """Return the discovery server of Fast DDS; None where there is none."""
    found = shutil.which("fast-discovery-server", path=f"{sys.prefix}/bin{os.pathsep}{os.environ.get('PATH', '')}")
    return Path(found) if found else None


def command(port: int) -> list[str]:
    """Return the command that runs a server at a port of the loopback."""
    return [str(program()), SERVE, "-l", LOOPBACK, "-p", str(port)]


def variables(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of a server.

    The wheels' server does not find its own libraries, and a server is no client. It gets no shared memory, whose files
    would stay behind a kill.
    """
    packages = (folder for entry in sys.path if entry for folder in Path(entry).glob("ros_fastdds.libs"))
    folders = [f"{sys.prefix}/lib", *map(str, packages), *filter(None, [environment.get(LIBRARIES)])]
    return {**{name: value for name, value in environment.items() if name not in NO_SERVER},
            LIBRARIES: os.pathsep.join(folders), "FASTDDS_BUILTIN_TRANSPORTS": "UDPv4"}


def runs(port: int) -> bool:
    """Return whether a server runs at a port. This starts one and ends it."""
    with subprocess.Popen(command(port), env=variables(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          stdin=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        started = bool(select.select([server.stdout], [], [], START_S)[0]) and STARTED in server.stdout.readline()
        server.kill()
    return started


def may_serve(environment: Mapping[str, str]) -> bool:
    """Return whether a graph with these variables may have a server: on the loopback, with Fast DDS, and none named."""
    return (environment.get("FASTDDS_DEFAULT_PROFILES_FILE") == str(LOOPBACK_PROFILE)
            and ADDRESSES not in os.environ and program() is not None)


def domain_of(environment: Mapping[str, str] = os.environ) -> int:
    """Return the ROS domain of an environment."""
    return int(environment.get("ROS_DOMAIN_ID") or 0)


def free_port(domain: int) -> int | None:
    """Return a port of a domain at which a server can listen; None where all are taken."""
    return next((port for port in _ports(domain) if not _is_taken(port)), None)


def join(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let a tool find the graphs of its domain that have servers. Call it before rclpy starts."""
    servers = [f"{LOOPBACK}:{port}" for port in _ports(domain_of(environment)) if _is_taken(port)]
    if servers and ADDRESSES not in environment:
        environment[ADDRESSES] = ";".join(servers)
        environment[TOOL] = "TRUE"


@contextlib.contextmanager
def through(server: str | None) -> Iterator[None]:
    """Let the ROS nodes that this process makes in the block find each other through a server; None: without one."""
    if server is None or ADDRESSES in os.environ:
        yield
        return
    os.environ[ADDRESSES] = server
    try:
        yield
    finally:
        del os.environ[ADDRESSES]


def _ports(domain: int) -> list[int]:
    ports = [FIRST_PORT + DOMAIN_PORTS * domain + k for k in OWN_PORTS]
    return [port for port in ports if port <= LAST_PORT]


def _is_taken(port: int) -> bool:
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False
